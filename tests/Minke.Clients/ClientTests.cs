using Minke.Binary;
using Minke.Binary.Features;

namespace Minke.Clients;

/// <summary>The clients of other languages, unchanged, by scripts as their documentation has them.</summary>
public sealed class ClientTests(FeatureCluster cluster)
{
    [Fact]
    public async Task Python_runs_a_pod() => Same("""
        pods before: 0
        ADDED web Pending
        MODIFIED web Running
        log: started
        last line: started
        exec: from inside
        shell: to stdout
        shell: to stderr
        exit code: 3
        exit code: 7
        port 8080: hello from the pod
        port error: None
        events: Created Scheduled Started
        DELETED web
        404 Not Found
        """, await Scripts.PythonAsync(await cluster.SpaceAsync(), "pods.py", Cluster.Image));

    [Fact]
    public async Task Python_patches_applies_and_pages() => Same("""
        created: settings {'color': 'red', 'size': 'small'}
        409 AlreadyExists: configmaps "settings" already exists
        strategic merge: {'color': 'red', 'shape': 'round'}
        json patch: {'color': 'blue', 'shape': 'round'}
        422 Invalid: the server rejected our request due to an error in our request
        409 Conflict: Operation cannot be fulfilled on configmaps "settings": the object has been modified; please apply your changes to the latest version and try again
        page: page-0 page-1 page-2 remaining: None
        page: page-3 page-4 page-5 remaining: None
        page: page-6 remaining: None
        left: ['settings']
        dynamic: configmaps True {'color': 'blue', 'shape': 'round'}
        applied: {'a': '1', 'b': '1'}
        Apply failed with 1 conflict: conflict with "first": .data.b
        forced: {'a': '1', 'b': '2'}
        let go: {'a': '1', 'b': '2'}
        managers: first=Apply second=Apply
        dynamic watch: ADDED applied DELETED applied
        """, await Scripts.PythonAsync(await cluster.SpaceAsync(), "objects.py"));

    [Fact]
    public async Task Python_defines_custom_resources() => Same("""
        established: CronTab
        created: {'cronSpec': '0 3 * * *', 'replicas': 1}
        CronTab.python.example.com "bad" is invalid: spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1
        listed: CronTabList ['nightly']
        patched: {'cronSpec': '0 3 * * *', 'replicas': 2}
        status: {'phase': 'Ready'}
        MODIFIED nightly {}
        MODIFIED nightly {'phase': 'Ready'}
        DELETED nightly {'phase': 'Ready'}
        """, await Scripts.PythonAsync(await cluster.SpaceAsync(), "custom.py"));

    [Fact]
    public async Task Python_acts_as_a_service_account() => Same("""
        may list: ConfigMapList
        secrets is forbidden: User "system:serviceaccount:NAMESPACE:reader" cannot list resource "secrets" in API group "" in the namespace "NAMESPACE"
        may delete: False
        token of: system:serviceaccount:NAMESPACE:reader True
        401 Unauthorized
        """, await Scripts.PythonAsync(await cluster.SpaceAsync(), "access.py"));

    [Fact]
    public async Task Python_elects_a_leader() => Same("""
        led: candidate-0 candidate-1 candidate-2 candidate-3
        transitions: 3
        """, await Scripts.PythonAsync(await cluster.SpaceAsync(), "leader.py"));

    [Fact]
    public async Task Ruby_runs_a_pod() => Same("""
        pods before: 0
        ADDED web Pending
        MODIFIED web Running
        followed: one two
        last line: two
        event: Started web
        DELETED web
        404 pods "web" not found
        """, await Scripts.RubyAsync(await cluster.SpaceAsync(), "pods.rb", Cluster.Image));

    [Fact]
    public async Task Ruby_patches_applies_pages_and_defines() => Same("""
        created: color=red size=small
        strategic merge: color=red shape=round size=small
        merge: color=red shape=round
        json: color=blue shape=round
        updated: color=green shape=round
        409 Operation cannot be fulfilled on configmaps "settings": the object has been modified; please apply your changes to the latest version and try again
        applied: a=1
        409 Apply failed with 1 conflict: conflict with "first": .data.a
        forced: a=2
        page: page-0 page-1
        page: page-2 page-3
        page: page-4
        custom: write tests
        403 secrets is forbidden: User "system:serviceaccount:NAMESPACE:robot" cannot list resource "secrets" in API group "" in the namespace "NAMESPACE"
        """, await Scripts.RubyAsync(await cluster.SpaceAsync(), "objects.rb"));

    [Fact]
    public async Task JavaScript_runs_a_pod() => Same("""
        informer: added web
        informer: Running
        log: started
        exec: Success 0 out=to stdout err=to stderr
        exec: Failure 4 out= err=
        exec: Success 0 out=got a line err=
        port 8080: 200 hello from the pod
        event: Started Pod web
        informer: deleted web
        404 pods "web" not found
        """, await Scripts.JavaScriptAsync(await cluster.SpaceAsync(), "pods.js", Cluster.Image));

    [Fact]
    public async Task JavaScript_patches_applies_pages_and_defines() => Same("""
        created: { color: 'red', size: 'small' }
        strategic merge: { color: 'red', shape: 'round', size: 'small' }
        merge: { color: 'red', shape: 'round' }
        json: { color: 'blue', shape: 'round' }
        applied: { a: '1', b: '1' }
        409 Conflict: Apply failed with 1 conflict: conflict with "first": .data.b
        forced: { a: '1', b: '2' }
        history: ADDED settings, MODIFIED settings, MODIFIED settings, MODIFIED settings, ADDED applied, MODIFIED applied
        page: page-0 page-1
        page: page-2 page-3
        page: page-4
        custom: { replicas: 2 }
        scale: { replicas: 2 }
        415 UnsupportedMediaType: the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml
        422 Invalid: Widget.javascript.example.com "one" is invalid: spec.replicas: Invalid value: 4: spec.replicas in body should be less than or equal to 3
        robot: system:serviceaccount:NAMESPACE:robot
        403 Forbidden: secrets is forbidden: User "system:serviceaccount:NAMESPACE:robot" cannot list resource "secrets" in API group "" in the namespace "NAMESPACE"
        """, await Scripts.JavaScriptAsync(await cluster.SpaceAsync(), "objects.js"));

    private static void Same(string expected, string actual) => Assert.Equal(expected, actual);
}
