"""The life of a pod by the Python client: create, watch, log, exec, port-forward, events, delete."""
import sys

from kubernetes import client, config, watch
from kubernetes.stream import portforward, stream

namespace, image = sys.argv[1:]
config.load_kube_config()
v1 = client.CoreV1Api()

manifest = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [{
            "name": "main",
            "image": image,
            "command": ["sh", "-c", "echo started; mkdir /www; echo hello from the pod > /www/index.html; httpd -f -p 8080 -h /www"],
        }],
    },
}
before = v1.list_namespaced_pod(namespace)
print("pods before:", len(before.items))
v1.create_namespaced_pod(namespace, manifest)

# Everything since the list, until it runs.
phases = []
w = watch.Watch()
for event in w.stream(v1.list_namespaced_pod, namespace, resource_version=before.metadata.resource_version,
                      label_selector="app=web", timeout_seconds=60):
    pod = event["object"]
    if not phases or phases[-1] != pod.status.phase:
        phases.append(pod.status.phase)
        print(event["type"], pod.metadata.name, pod.status.phase)
    if pod.status.phase == "Running":
        w.stop()

log = watch.Watch()
for line in log.stream(v1.read_namespaced_pod_log, "web", namespace, follow=True):
    print("log:", line)
    log.stop()
print("last line:", v1.read_namespaced_pod_log("web", namespace, tail_lines=1).strip())

print("exec:", stream(v1.connect_get_namespaced_pod_exec, "web", namespace, command=["echo", "from inside"],
                      stderr=True, stdin=False, stdout=True, tty=False).strip())
shell = stream(v1.connect_get_namespaced_pod_exec, "web", namespace, command=["/bin/sh"],
               stderr=True, stdin=True, stdout=True, tty=False, _preload_content=False)
shell.write_stdin("echo to stdout\n")
print("shell:", shell.readline_stdout(timeout=30))
shell.write_stdin("echo to stderr >&2\n")
print("shell:", shell.readline_stderr(timeout=30))
shell.write_stdin("exit 3\n")
shell.run_forever(timeout=30)
print("exit code:", shell.returncode)
missing = stream(v1.connect_get_namespaced_pod_exec, "web", namespace, command=["/bin/sh", "-c", "exit 7"],
                 stderr=True, stdin=False, stdout=True, tty=False, _preload_content=False)
missing.run_forever(timeout=30)
print("exit code:", missing.returncode)

pf = portforward(v1.connect_get_namespaced_pod_portforward, "web", namespace, ports="8080")
http = pf.socket(8080)
http.setblocking(True)
http.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
response = b""
while chunk := http.recv(1024):
    response += chunk
http.close()
print("port 8080:", response.split(b"\r\n\r\n", 1)[1].decode().strip())
print("port error:", pf.error(8080))

# Events are written after the fact: wait for the last one.
seen = set()
for event in watch.Watch().stream(v1.list_namespaced_event, namespace, field_selector="involvedObject.name=web", timeout_seconds=60):
    seen.add(event["object"].reason)
    if {"Scheduled", "Created", "Started"} <= seen:
        break
print("events:", " ".join(sorted(seen & {"Scheduled", "Created", "Started"})))

version = v1.list_namespaced_pod(namespace).metadata.resource_version
v1.delete_namespaced_pod("web", namespace)
for event in watch.Watch().stream(v1.list_namespaced_pod, namespace, resource_version=version, timeout_seconds=60):
    if event["type"] == "DELETED":
        print("DELETED", event["object"].metadata.name)
        break
try:
    v1.read_namespaced_pod("web", namespace)
except client.ApiException as e:
    print(e.status, e.reason)
