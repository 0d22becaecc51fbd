"""Objects by the typed and the dynamic Python client: patches, apply, conflicts, pages, selectors, a watch."""
import json
import sys

from kubernetes import client, config, dynamic
from kubernetes.dynamic.exceptions import ConflictError

namespace = sys.argv[1]
config.load_kube_config()
v1 = client.CoreV1Api()


def reason(error):
    status = json.loads(error.body)
    return f"{status['code']} {status['reason']}: {status['message']}"


created = v1.create_namespaced_config_map(namespace, client.V1ConfigMap(
    metadata=client.V1ObjectMeta(name="settings", labels={"app": "demo"}), data={"color": "red", "size": "small"}))
print("created:", created.metadata.name, created.data)
try:
    v1.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="settings")))
except client.ApiException as e:
    print(reason(e))

stale = v1.read_namespaced_config_map("settings", namespace)
print("strategic merge:", v1.patch_namespaced_config_map("settings", namespace, {"data": {"size": None, "shape": "round"}}).data)
print("json patch:", v1.patch_namespaced_config_map("settings", namespace, [
    {"op": "test", "path": "/data/color", "value": "red"},
    {"op": "replace", "path": "/data/color", "value": "blue"},
]).data)
try:
    v1.patch_namespaced_config_map("settings", namespace, [{"op": "test", "path": "/data/color", "value": "green"}])
except client.ApiException as e:
    print(reason(e))
try:
    v1.replace_namespaced_config_map("settings", namespace, stale)
except client.ApiException as e:
    print(reason(e))

for i in range(7):
    v1.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name=f"page-{i}", labels={"paged": "yes"})))
token, pages = None, []
while True:
    page = v1.list_namespaced_config_map(namespace, label_selector="paged=yes", limit=3, _continue=token)
    pages.append([item.metadata.name for item in page.items])
    print("page:", *pages[-1], "remaining:", page.metadata.remaining_item_count)
    token = page.metadata._continue
    if not token:
        break
v1.delete_collection_namespaced_config_map(namespace, label_selector="paged=yes")
print("left:", [item.metadata.name for item in v1.list_namespaced_config_map(namespace, field_selector="metadata.name!=kube-root-ca.crt").items])

dyn = dynamic.DynamicClient(client.ApiClient())
config_maps = dyn.resources.get(api_version="v1", kind="ConfigMap")
print("dynamic:", config_maps.name, config_maps.namespaced, config_maps.get(name="settings", namespace=namespace).to_dict()["data"])


def apply(manager, data, **options):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": data}
    return config_maps.patch(body=json.dumps(body), name="applied", namespace=namespace, content_type="application/apply-patch+yaml",
                             field_manager=manager, **options).to_dict()["data"]


print("applied:", apply("first", {"a": "1", "b": "1"}))
try:
    apply("second", {"b": "2"})
except ConflictError as e:
    print(json.loads(e.body)["message"])
print("forced:", apply("second", {"b": "2"}, force_conflicts=True))
print("let go:", apply("first", {"a": "1"}))
managers = v1.read_namespaced_config_map("applied", namespace).metadata.managed_fields
print("managers:", *sorted(f"{m.manager}={m.operation}" for m in managers))

seen = []
for event in config_maps.watch(namespace=namespace, timeout=30, field_selector="metadata.name=applied"):
    seen.append(f"{event['type']} {event['object'].metadata.name}")
    if event["type"] == "ADDED":
        config_maps.delete(name="applied", namespace=namespace)
    else:
        break
print("dynamic watch:", *seen)
