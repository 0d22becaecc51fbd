"""Two candidates and a Lease: one leads, the other follows once the first steps down."""
import datetime
import sys
import threading

from kubernetes import client, config, watch

namespace = sys.argv[1]
config.load_kube_config()
leases = client.CoordinationV1Api()


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def acquire(identity):
    """Takes the lease if nobody holds it; a conflict means that another was faster."""
    try:
        lease = leases.read_namespaced_lease("election", namespace)
        if lease.spec.holder_identity:
            return False
        lease.spec.holder_identity, lease.spec.renew_time = identity, now()
        lease.spec.lease_transitions = (lease.spec.lease_transitions or 0) + 1
        leases.replace_namespaced_lease("election", namespace, lease)
    except client.ApiException as e:
        if e.status == 409:
            return False
        if e.status != 404:
            raise
        try:
            leases.create_namespaced_lease(namespace, client.V1Lease(
                metadata=client.V1ObjectMeta(name="election"),
                spec=client.V1LeaseSpec(holder_identity=identity, lease_duration_seconds=15, acquire_time=now(), renew_time=now())))
        except client.ApiException as conflict:
            if conflict.status == 409:
                return False
            raise
    return True


def release(identity):
    lease = leases.read_namespaced_lease("election", namespace)
    assert lease.spec.holder_identity == identity
    lease.spec.holder_identity = ""
    leases.replace_namespaced_lease("election", namespace, lease)


order, lock = [], threading.Lock()


def candidate(identity):
    while not acquire(identity):
        version = leases.list_namespaced_lease(namespace).metadata.resource_version
        if acquire(identity):
            break
        for event in watch.Watch().stream(leases.list_namespaced_lease, namespace, resource_version=version, timeout_seconds=60):
            if not event["object"].spec.holder_identity:
                break
    with lock:
        order.append(identity)
    release(identity)


threads = [threading.Thread(target=candidate, args=(f"candidate-{i}",)) for i in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("led:", *sorted(order))
print("transitions:", leases.read_namespaced_lease("election", namespace).spec.lease_transitions)
