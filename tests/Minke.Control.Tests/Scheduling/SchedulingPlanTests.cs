using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Control.Scheduling;

namespace Minke.Control.Tests.Scheduling;

public sealed class SchedulingPlanTests
{
    [Fact]
    public void The_node_with_the_most_room_wins() =>
        Assert.Equal("b", Plan(Pod("p", cpu: "1"), new(Node("a"), [Pod("q", cpu: "2")]), new(Node("b"), [])).NodeName);

    [Fact]
    public void Nodes_alike_are_taken_by_name() =>
        Assert.Equal("a", Plan(Pod("p"), new(Node("b"), []), new(Node("a"), [])).NodeName);

    [Fact]
    public void Without_nodes_the_message_says_so() => Assert.Equal("no nodes available to schedule pods", Plan(Pod("p")).Message);

    [Fact]
    public void What_is_missing_is_counted_by_node() => Assert.Equal(
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu. preemption: 0/3 nodes are available: "
        + "1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.",
        Plan(
            Pod("p", cpu: "5"),
            new(Node("a"), []),
            new(Node("b"), []),
            new(Node("c") with { Spec = new NodeSpec { Unschedulable = true } }, [])).Message);

    [Fact]
    public void Who_never_takes_the_place_of_others_is_told_so()
    {
        var pod = Pod("p", cpu: "5");
        Assert.Equal("0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.",
            Plan(pod with { Spec = pod.Spec with { PreemptionPolicy = PreemptionPolicy.Never } }, new NodeView(Node("a"), [])).Message);
    }

    [Fact]
    public void A_finished_pod_takes_no_room()
    {
        var done = Pod("done", cpu: "4") with { Status = new PodStatus { Phase = PodPhase.Succeeded } };
        Assert.Equal("a", Plan(Pod("p", cpu: "3"), new NodeView(Node("a"), [done])).NodeName);
    }

    [Fact]
    public void The_largest_init_container_counts_where_it_exceeds_the_containers()
    {
        var pod = Pod("p", cpu: "1");
        pod = pod with { Spec = pod.Spec with { InitContainers = [Container("init", "3")] } };
        Assert.Equal(3, Resources.Requests(pod)["cpu"]);
    }

    [Fact]
    public void Sidecars_count_with_the_containers_and_beside_later_init_containers()
    {
        var pod = Pod("p", cpu: "1");
        var sidecar = Container("side", "1") with { RestartPolicy = ContainerRestartPolicy.Always };
        pod = pod with { Spec = pod.Spec with { InitContainers = [sidecar, Container("init", "3")] } };
        Assert.Equal(4, Resources.Requests(pod)["cpu"]);
    }

    [Theory]
    [InlineData("zone", "x", "a")]
    [InlineData("zone", "y", null)]
    public void A_node_selector_is_kept(string key, string value, string? expected)
    {
        var pod = Pod("p");
        pod = pod with { Spec = pod.Spec with { NodeSelector = [new(key, value)] } };
        var plan = Plan(pod, new NodeView(Node("a", [new("zone", "x")]), []));
        Assert.Equal(expected, plan.NodeName);
        if (expected is null)
            Assert.StartsWith("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.", plan.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Gt", "3", true)]
    [InlineData("Gt", "4", false)]
    [InlineData("Lt", "5", true)]
    [InlineData("In", "4", true)]
    [InlineData("NotIn", "4", false)]
    [InlineData("Exists", null, true)]
    [InlineData("DoesNotExist", null, false)]
    public void Node_affinity_knows_its_operators(string @operator, string? value, bool fits)
    {
        var requirement = new NodeSelectorRequirement { Key = "cores", Operator = @operator, Values = value is null ? [] : [value] };
        Assert.Equal(fits, NodeSelectors.Matches(new NodeSelectorTerm { MatchExpressions = [requirement] }, Node("a", [new("cores", "4")])));
    }

    [Fact]
    public void A_taint_keeps_pods_away_unless_they_tolerate_it()
    {
        var tainted = Node("a") with { Spec = new NodeSpec { Taints = [new Taint { Key = "gpu", Value = "yes", Effect = TaintEffect.NoSchedule }] } };
        Assert.Contains("1 node(s) had untolerated taint {gpu: yes}", Plan(Pod("p"), new NodeView(tainted, [])).Message, StringComparison.Ordinal);
        var tolerant = Pod("p");
        tolerant = tolerant with { Spec = tolerant.Spec with { Tolerations = [new Toleration { Key = "gpu", Operator = TolerationOperator.Exists }] } };
        Assert.Equal("a", Plan(tolerant, new NodeView(tainted, [])).NodeName);
    }

    [Fact]
    public void A_node_that_is_not_ready_gets_nothing()
    {
        var node = Node("a");
        node = node with { Status = node.Status with { Conditions = [new NodeCondition { Type = "Ready", Status = "False" }] } };
        Assert.Contains("node(s) had untolerated taint {node.kubernetes.io/not-ready: }", Plan(Pod("p"), new NodeView(node, [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_pods_do_not_share_a_host_port()
    {
        var pod = Pod("p", hostPort: 80);
        Assert.Contains("node(s) didn't have free ports for the requested pod ports", Plan(pod, new NodeView(Node("a"), [Pod("q", hostPort: 80)])).Message, StringComparison.Ordinal);
        Assert.Equal("a", Plan(pod, new NodeView(Node("a"), [Pod("q", hostPort: 81)])).NodeName);
    }

    [Fact]
    public void Anti_affinity_holds_both_ways()
    {
        var shy = Pod("shy", labels: [new("app", "web")]);
        shy = shy with { Spec = shy.Spec with { Affinity = new Affinity { PodAntiAffinity = new PodAntiAffinity { RequiredDuringSchedulingIgnoredDuringExecution = [Term("web")] } } } };
        var plain = Pod("plain", labels: [new("app", "web")]);
        Assert.Contains("didn't match pod anti-affinity rules", Plan(shy, new NodeView(Node("a"), [plain])).Message, StringComparison.Ordinal);
        Assert.Contains("didn't satisfy existing pods anti-affinity rules", Plan(plain, new NodeView(Node("a"), [shy])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Affinity_lets_the_first_of_a_group_begin()
    {
        var first = Pod("first", labels: [new("app", "web")]);
        first = first with { Spec = first.Spec with { Affinity = new Affinity { PodAffinity = new PodAffinity { RequiredDuringSchedulingIgnoredDuringExecution = [Term("web")] } } } };
        Assert.Equal("a", Plan(first, new NodeView(Node("a"), [])).NodeName);
        Assert.Equal("b", Plan(first, new NodeView(Node("a"), []), new NodeView(Node("b"), [first])).NodeName);
    }

    [Fact]
    public void Hard_spread_keeps_the_skew()
    {
        var pod = Pod("p", labels: [new("app", "web")]);
        pod = pod with
        {
            Spec = pod.Spec with
            {
                TopologySpreadConstraints =
                [
                    new TopologySpreadConstraint
                    {
                        MaxSkew = 1, TopologyKey = "host", WhenUnsatisfiable = UnsatisfiableConstraintAction.DoNotSchedule,
                        LabelSelector = new LabelSelector { MatchLabels = [new("app", "web")] },
                    },
                ],
            },
        };
        Assert.Equal("b", Plan(pod, new NodeView(Node("a", cpu: "64"), [pod]), new NodeView(Node("b"), [])).NodeName);
    }

    private static PodAffinityTerm Term(string app) => new() { TopologyKey = "host", LabelSelector = new LabelSelector { MatchLabels = [new("app", app)] } };

    private static SchedulingPlan Plan(Pod pod, params NodeView[] nodes) => SchedulingPlan.For(pod, nodes);

    private static Node Node(string name, ApiMap<string> labels = default, string cpu = "4") => new()
    {
        Metadata = new ObjectMeta { Name = name, Labels = labels.With("host", name) },
        Status = new NodeStatus
        {
            Allocatable = [new("cpu", Quantity.Parse(cpu)), new("memory", Quantity.Parse("8Gi")), new("pods", Quantity.Parse("110"))],
            Conditions = [new NodeCondition { Type = "Ready", Status = "True" }],
        },
    };

    private static Pod Pod(string name, string? cpu = null, int hostPort = 0, ApiMap<string> labels = default) => new()
    {
        Metadata = new ObjectMeta { Name = name, Namespace = "shop", Uid = name, Labels = labels },
        Spec = new PodSpec { Containers = [Container("c", cpu) with { Ports = hostPort == 0 ? [] : [new ContainerPort { ContainerPortValue = 80, HostPort = hostPort, Protocol = "TCP" }] }] },
    };

    private static Container Container(string name, string? cpu) => new()
    {
        Name = name,
        Resources = cpu is null ? ResourceRequirements.Empty : new ResourceRequirements { Requests = [new("cpu", Quantity.Parse(cpu))] },
    };
}
