// Objects by the JavaScript client: patches, apply, pages, watch, custom resources, a token of a service account.
import * as k8s from '@kubernetes/client-node';

const [namespace] = process.argv.slice(2);
const kc = new k8s.KubeConfig();
kc.loadFromDefault();
const core = kc.makeApiClient(k8s.CoreV1Api);
const objects = k8s.KubernetesObjectApi.makeApiClient(kc);
const refusal = (error) => { const status = JSON.parse(error.body); return `${status.code} ${status.reason}: ${status.message}`.replaceAll(namespace, 'NAMESPACE'); };

const name = 'settings';
const before = await core.listNamespacedConfigMap({ namespace });
console.log('created:', (await core.createNamespacedConfigMap({ namespace, body: { metadata: { name }, data: { color: 'red', size: 'small' } } })).data);
const patched = async (body, strategy) =>
    (await core.patchNamespacedConfigMap({ name, namespace, body }, k8s.setHeaderOptions('Content-Type', strategy))).data;
console.log('strategic merge:', await patched({ data: { shape: 'round' } }, k8s.PatchStrategy.StrategicMergePatch));
console.log('merge:', await patched({ data: { size: null } }, k8s.PatchStrategy.MergePatch));
console.log('json:', await patched([{ op: 'replace', path: '/data/color', value: 'blue' }], k8s.PatchStrategy.JsonPatch));

const applied = (data) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied', namespace }, data });
const apply = async (data, manager, force) =>
    (await objects.patch(applied(data), undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply)).data;
console.log('applied:', await apply({ a: '1', b: '1' }, 'first', false));
await apply({ b: '2' }, 'second', false).catch((error) => console.log(refusal(error)));
console.log('forced:', await apply({ b: '2' }, 'second', true));

// The history since the first list, in order.
const history = [];
await new Promise((resolve, reject) => {
    new k8s.Watch(kc).watch(`/api/v1/namespaces/${namespace}/configmaps`, { resourceVersion: before.metadata.resourceVersion, allowWatchBookmarks: true },
        (type, object) => {
            if (object.metadata.name === name || object.metadata.name === 'applied') history.push(`${type} ${object.metadata.name}`);
            if (history.length === 6) resolve();
        }, reject).catch(reject);
});
console.log('history:', history.join(', '));

for (let i = 0; i < 5; i++)
    await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: `page-${i}`, labels: { paged: 'yes' } } } });
let token;
do {
    const page = await core.listNamespacedConfigMap({ namespace, labelSelector: 'paged=yes', limit: 2, _continue: token });
    console.log('page:', ...page.items.map((item) => item.metadata.name));
    token = page.metadata._continue;
} while (token);

const extensions = kc.makeApiClient(k8s.ApiextensionsV1Api), custom = kc.makeApiClient(k8s.CustomObjectsApi);
const group = 'javascript.example.com', version = 'v1', plural = 'widgets';
await extensions.createCustomResourceDefinition({
    body: {
        metadata: { name: `${plural}.${group}` },
        spec: {
            group, scope: 'Namespaced', names: { plural, singular: 'widget', kind: 'Widget' },
            versions: [{
                name: version, served: true, storage: true, subresources: { scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' } },
                schema: { openAPIV3Schema: { type: 'object', properties: {
                    spec: { type: 'object', properties: { replicas: { type: 'integer', maximum: 3 } } },
                    status: { type: 'object', properties: { replicas: { type: 'integer' } } },
                } } },
            }],
        },
    },
});
await new Promise((resolve, reject) => {
    new k8s.Watch(kc).watch('/apis/apiextensions.k8s.io/v1/customresourcedefinitions', { fieldSelector: `metadata.name=${plural}.${group}` },
        (type, object) => (object.status?.conditions ?? []).some((c) => c.type === 'Established' && c.status === 'True') && resolve(), reject).catch(reject);
});
const widget = (replicas) => ({ apiVersion: `${group}/${version}`, kind: 'Widget', metadata: { name: 'one', namespace }, spec: { replicas } });
console.log('custom:', (await objects.create(widget(2))).spec);
console.log('scale:', (await custom.getNamespacedCustomObjectScale({ group, version, namespace, plural, name: 'one' })).spec);
// Strategic merges, this client's own choice, are for built-in kinds.
await objects.patch(widget(3)).catch((error) => console.log(refusal(error)));
await objects.patch(widget(4), undefined, undefined, undefined, undefined, k8s.PatchStrategy.MergePatch).catch((error) => console.log(refusal(error)));
await objects.delete(widget(2));
await extensions.deleteCustomResourceDefinition({ name: `${plural}.${group}` });

await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name: 'robot' } } });
const { status } = await core.createNamespacedServiceAccountToken({ name: 'robot', namespace, body: { spec: { audiences: [], expirationSeconds: 3600 } } });
const robot = new k8s.KubeConfig();
robot.loadFromClusterAndUser(kc.getCurrentCluster(), { name: 'robot', token: status.token });
const who = await robot.makeApiClient(k8s.AuthenticationV1Api).createSelfSubjectReview({ body: {} });
console.log('robot:', who.status.userInfo.username.replace(namespace, 'NAMESPACE'));
await robot.makeApiClient(k8s.CoreV1Api).listNamespacedSecret({ namespace }).catch((error) => console.log(refusal(error)));
process.exit(0);
