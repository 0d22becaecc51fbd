"""Custom resources by the Python client: a definition, objects of it, their status, validation and a watch."""
import json
import sys

from kubernetes import client, config, watch

namespace = sys.argv[1]
config.load_kube_config()
extensions, custom = client.ApiextensionsV1Api(), client.CustomObjectsApi()
group, version, plural = "python.example.com", "v1", "crontabs"

extensions.create_custom_resource_definition({
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"{plural}.{group}"},
    "spec": {
        "group": group,
        "scope": "Namespaced",
        "names": {"plural": plural, "singular": "crontab", "kind": "CronTab"},
        "versions": [{
            "name": version, "served": True, "storage": True, "subresources": {"status": {}},
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                "spec": {"type": "object", "properties": {
                    "cronSpec": {"type": "string"},
                    "replicas": {"type": "integer", "minimum": 1, "default": 1},
                }},
                "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
            }}},
        }],
    },
})
w = watch.Watch()
for event in w.stream(extensions.list_custom_resource_definition, field_selector=f"metadata.name={plural}.{group}", timeout_seconds=60):
    conditions = {c.type: c.status for c in event["object"].status.conditions or []}
    if conditions.get("Established") == "True":
        print("established:", event["object"].status.accepted_names.kind)
        w.stop()

body = {"apiVersion": f"{group}/{version}", "kind": "CronTab", "metadata": {"name": "nightly"}, "spec": {"cronSpec": "0 3 * * *", "unknown": 1}}
print("created:", custom.create_namespaced_custom_object(group, version, namespace, plural, body)["spec"])
try:
    custom.create_namespaced_custom_object(group, version, namespace, plural, {**body, "metadata": {"name": "bad"}, "spec": {"replicas": 0}})
except client.ApiException as e:
    print(json.loads(e.body)["message"])
listed = custom.list_namespaced_custom_object(group, version, namespace, plural)
print("listed:", listed["kind"], [item["metadata"]["name"] for item in listed["items"]])
print("patched:", custom.patch_namespaced_custom_object(group, version, namespace, plural, "nightly", {"spec": {"replicas": 2}})["spec"])
print("status:", custom.patch_namespaced_custom_object_status(group, version, namespace, plural, "nightly", {"status": {"phase": "Ready"}})["status"])
w = watch.Watch()
custom.delete_namespaced_custom_object(group, version, namespace, plural, "nightly")
for event in w.stream(custom.list_namespaced_custom_object, group, version, namespace, plural,
                      resource_version=listed["metadata"]["resourceVersion"], timeout_seconds=60):
    print(event["type"], event["object"]["metadata"]["name"], event["object"].get("status", {}))
    if event["type"] == "DELETED":
        w.stop()
extensions.delete_custom_resource_definition(f"{plural}.{group}")
