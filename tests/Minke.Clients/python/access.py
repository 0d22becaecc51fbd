"""A service account, a role, its token, and what the token may do."""
import json
import sys

from kubernetes import client, config

namespace = sys.argv[1]
config.load_kube_config()
v1, rbac = client.CoreV1Api(), client.RbacAuthorizationV1Api()

v1.create_namespaced_service_account(namespace, {"metadata": {"name": "reader"}})
rbac.create_namespaced_role(namespace, {
    "metadata": {"name": "reader"}, "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]})
rbac.create_namespaced_role_binding(namespace, {
    "metadata": {"name": "reader"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
    "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": namespace}]})
token = v1.create_namespaced_service_account_token("reader", namespace, client.AuthenticationV1TokenRequest(
    spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=3600))).status.token

# The same server, nothing but the token.
admin = client.Configuration.get_default_copy()
reader = client.Configuration(host=admin.host)
reader.ssl_ca_cert = admin.ssl_ca_cert
reader.api_key = {"authorization": "Bearer " + token}
with client.ApiClient(reader) as api:
    as_reader = client.CoreV1Api(api)
    print("may list:", as_reader.list_namespaced_config_map(namespace).kind)
    try:
        as_reader.list_namespaced_secret(namespace)
    except client.ApiException as e:
        print(json.loads(e.body)["message"].replace(namespace, "NAMESPACE"))
    review = client.AuthorizationV1Api(api).create_self_subject_access_review({
        "spec": {"resourceAttributes": {"namespace": namespace, "verb": "delete", "resource": "configmaps"}}})
    print("may delete:", review.status.allowed)

review = client.AuthenticationV1Api().create_token_review({"spec": {"token": token}})
print("token of:", review.status.user.username.replace(namespace, "NAMESPACE"), review.status.authenticated)
reader.api_key = {"authorization": "Bearer " + token[:-4] + "aaaa"}
try:
    client.CoreV1Api(client.ApiClient(reader)).list_namespaced_config_map(namespace)
except client.ApiException as e:
    print(e.status, json.loads(e.body)["message"])
