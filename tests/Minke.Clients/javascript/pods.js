// The life of a pod by the JavaScript client: informer, log, exec, port-forward, events, delete.
import net from 'node:net';
import { PassThrough } from 'node:stream';
import { once } from 'node:events';
import * as k8s from '@kubernetes/client-node';

const [namespace, image] = process.argv.slice(2);
const kc = new k8s.KubeConfig();
kc.loadFromDefault();
const core = kc.makeApiClient(k8s.CoreV1Api);

const informer = k8s.makeInformer(kc, `/api/v1/namespaces/${namespace}/pods`, () => core.listNamespacedPod({ namespace }));
const running = new Promise((resolve) => {
    informer.on('add', (pod) => console.log('informer: added', pod.metadata.name));
    informer.on('update', (pod) => pod.status.phase === 'Running' && resolve(pod));
});
const deleted = new Promise((resolve) => informer.on('delete', resolve));
informer.on('error', (error) => { throw error; });
await informer.start();

await core.createNamespacedPod({
    namespace,
    body: {
        metadata: { name: 'web', labels: { app: 'web' } },
        spec: {
            terminationGracePeriodSeconds: 0,
            containers: [{
                name: 'main', image,
                command: ['sh', '-c', 'echo started; mkdir /www; echo hello from the pod > /www/index.html; httpd -f -p 8080 -h /www'],
            }],
        },
    },
});
console.log('informer:', (await running).status.phase);

const text = (stream) => { let all = ''; stream.on('data', (chunk) => { all += chunk; }); return () => all.trim(); };

const logs = new PassThrough();
const following = await new k8s.Log(kc).log(namespace, 'web', 'main', logs, { follow: true });
console.log('log:', String((await once(logs, 'data'))[0]).trim());
following.abort();

async function exec(command, input) {
    const out = new PassThrough(), err = new PassThrough();
    const [outText, errText] = [text(out), text(err)];
    let stdin = null;
    if (input) {
        stdin = new PassThrough();
        stdin.end(input);
    }
    const status = await new Promise((resolve, reject) =>
        new k8s.Exec(kc).exec(namespace, 'web', 'main', command, out, err, stdin, false, resolve).catch(reject));
    return `${status.status} ${status.details?.causes?.[0]?.message ?? 0} out=${outText()} err=${errText()}`;
}
console.log('exec:', await exec(['sh', '-c', 'echo to stdout; echo to stderr >&2']));
console.log('exec:', await exec(['sh', '-c', 'exit 4']));
console.log('exec:', await exec(['sh', '-c', 'read line; echo "got $line"'], 'a line\n'));

const forward = new k8s.PortForward(kc);
const server = net.createServer((socket) => forward.portForward(namespace, 'web', [8080], socket, null, socket));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const answer = await fetch(`http://127.0.0.1:${server.address().port}/`, { headers: { connection: 'close' } });
console.log('port 8080:', answer.status, (await answer.text()).trim());

// Written by watch, so that it does not matter which comes first.
const watched = await new Promise((resolve, reject) => {
    const reasons = new Set();
    new k8s.Watch(kc).watch(`/api/v1/namespaces/${namespace}/events`, { fieldSelector: 'involvedObject.name=web' }, (type, event) => {
        reasons.add(event.reason);
        if (reasons.has('Started')) resolve(event);
    }, reject).catch(reject);
});
console.log('event:', watched.reason, watched.involvedObject.kind, watched.involvedObject.name);

await core.deleteNamespacedPod({ name: 'web', namespace });
console.log('informer: deleted', (await deleted).metadata.name);
try {
    await core.readNamespacedPod({ name: 'web', namespace });
} catch (error) {
    console.log(error.code, JSON.parse(error.body).message);
}
process.exit(0);
