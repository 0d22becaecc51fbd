using System.Text;
using Minke.Api.Core.V1;
using Minke.TestSupport;

namespace Minke.Api.Tests.Behavior;

public sealed class PodSupportTests
{
    /// <summary>Set MINKE_WRITE_DOCS=1 to write the table anew.</summary>
    [Fact]
    public void The_document_lists_every_field_of_a_pod_as_the_table_has_it()
    {
        DocumentTable.Check("compatibility.md", "pod fields", Table());
    }

    [Fact]
    public void Every_gap_is_a_field_of_a_pod()
    {
        var fields = Fields().ToHashSet(StringComparer.Ordinal);
        Assert.All(PodSupport.Gaps, gap => Assert.Contains(gap.Field, fields));
    }

    [Fact]
    public void A_field_set_in_vain_warns_with_its_path()
    {
        var pod = new Pod
        {
            Spec = new PodSpec
            {
                HostUsers = false,
                Volumes = [new Volume { Name = "a", EmptyDir = new() }, new Volume { Name = "b", Nfs = new() { Server = "s", Path = "/" } }],
                Containers = [new Container { Name = "c", SecurityContext = new() { SeLinuxOptions = new() } }],
            },
        };
        Assert.Equal(
        [
            "spec.volumes[1].nfs: accepted but not acted on by Minke (the volume is not mounted and the pod waits with FailedMount)",
            "spec.hostUsers: accepted but not acted on by Minke (user namespaces are not made: containers run in the machine's)",
            "spec.containers[0].securityContext.seLinuxOptions: accepted but not acted on by Minke (SELinux labels are not set)",
        ], PodSupport.Warnings(pod));
    }

    [Fact]
    public void A_plain_pod_warns_of_nothing() =>
        Assert.Empty(KindBehaviors.For(Pod.KindInfo).Warnings(new Pod { Spec = new PodSpec { Containers = [new Container { Name = "c" }] } }, null));

    [Fact]
    public void Upstreams_warnings_are_upstreams()
    {
        var pod = new Pod
        {
            Spec = new PodSpec
            {
                Containers =
                [
                    new Container
                    {
                        Env = [new EnvVar { Name = "A", Value = "1" }, new EnvVar { Name = "A", Value = "2" }, new EnvVar { Name = "A", Value = "$(A)3" }],
                        Ports = [new ContainerPort { ContainerPortValue = 80, Protocol = "TCP" }, new ContainerPort { ContainerPortValue = 80, Protocol = "TCP" }],
                    },
                ],
            },
        };
        Assert.Equal(
        [
            "spec.containers[0].env[1]: hides previous definition of \"A\", which may be dropped when using apply",
            "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
        ], KindBehaviors.For(Pod.KindInfo).Warnings(pod, null));
        Assert.Empty(KindBehaviors.For(Pod.KindInfo).Warnings(pod, pod));
    }

    private static string Table()
    {
        var text = new StringBuilder("| Field | | Why |\n| --- | --- | --- |\n");
        foreach (var field in Fields())
        {
            // What of a container's fields an ephemeral one may have is acted on as there.
            var gap = PodSupport.Find(field) ?? PodSupport.Find(field.Replace("EphemeralContainer.", "Container.", StringComparison.Ordinal));
            text.Append(gap is null ? $"| `{field}` | yes | |\n" : $"| `{field}` | {(gap.Paths is null ? "no" : "warns")} | {gap.Why} |\n");
        }
        return text.ToString();
    }

    /// <summary>Type.field of everything below a pod, each once. Inlined structs stand under the name upstream gives them.</summary>
    private static IEnumerable<string> Fields()
    {
        var seen = new HashSet<string>(StringComparer.Ordinal) { "ObjectMeta" };
        var waiting = new Queue<TypeSchema>([Pod.TypeSchema]);
        while (waiting.TryDequeue(out var type))
        {
            if (!seen.Add(type.GoName))
                continue;
            foreach (var field in type.Fields)
            {
                var owner = type.GoName == "Volume" && field.JsonName != "name" ? "VolumeSource" : type.GoName;
                yield return $"{owner}.{field.JsonName}";
                var inner = field.Type;
                while (inner.Element is not null)
                    inner = inner.Element;
                if (inner.Struct is { } next && type.GoName is not "Volume" || IsSupportedVolume(type, field))
                    waiting.Enqueue(inner.Struct!);
            }
        }
    }

    // What a volume kind that is not mounted is made of would fill pages and say nothing.
    private static bool IsSupportedVolume(TypeSchema type, FieldSchema field) =>
        type.GoName == "Volume" && field.Type.Struct is not null && PodSupport.Find("VolumeSource." + field.JsonName) is null;
}
