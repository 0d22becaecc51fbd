using FsCheck;
using FsCheck.Fluent;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Node.Pods;
using Minke.Node.Pods.Environment;

namespace Minke.Node.Tests.Pods.Environment;

public sealed class ExpansionTests
{
    private static readonly Dictionary<string, string> Values = new(StringComparer.Ordinal) { ["A"] = "1", ["B"] = "$(A)", ["EMPTY"] = "" };

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("$(A)", "1")]
    [InlineData("x$(A)y$(A)", "x1y1")]
    [InlineData("$(B)", "$(A)")]
    [InlineData("$(EMPTY)-", "-")]
    [InlineData("$(NOPE)", "$(NOPE)")]
    [InlineData("$$(A)", "$(A)")]
    [InlineData("$$$(A)", "$1")]
    [InlineData("$A", "$A")]
    [InlineData("$(A", "$(A")]
    [InlineData("end$", "end$")]
    [InlineData("$()", "$()")]
    [InlineData("$(A$(A)", "$(A$(A)")]
    public void References_expand_as_upstream_has_it(string text, string expected) => Assert.Equal(expected, Expansion.Expand(text, Values.GetValueOrDefault));

    [Fact]
    public void Text_without_a_dollar_stays() => Prop.ForAll(
        ArbMap.Default.ArbFor<NonNull<string>>(), text => Expansion.Expand(text.Get.Replace("$", "", StringComparison.Ordinal), Values.GetValueOrDefault) == text.Get.Replace("$", "", StringComparison.Ordinal)).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("limits.cpu", "0", "2")]
    [InlineData("limits.cpu", "1m", "1500")]
    [InlineData("requests.memory", "1Mi", "64")]
    [InlineData("limits.memory", "1", "8589934592")]
    public void A_resource_is_counted_in_its_divisor_rounded_up(string resource, string divisor, string expected)
    {
        var container = new Container
        {
            Resources = new ResourceRequirements
            {
                Limits = [new("cpu", Quantity.Parse("1500m"))],
                Requests = [new("memory", Quantity.Parse("64Mi"))],
            },
        };
        var place = new PodPlace { NodeName = "n", NodeAllocatable = [new("memory", Quantity.Parse("8Gi"))] };
        Assert.Equal(expected, PodFields.Read(new ResourceFieldSelector { Resource = resource, Divisor = Quantity.Parse(divisor) }, container, place));
    }

    [Fact]
    public void Labels_become_lines_with_quoted_values()
    {
        var pod = new Pod { Metadata = new() { Labels = [new("b", "say \"x\""), new("a", "1")] } };
        Assert.Equal("a=\"1\"\nb=\"say \\\"x\\\"\"", PodFields.Read(pod, new PodPlace { NodeName = "n" }, "metadata.labels"));
        Assert.Equal("1", PodFields.Read(pod, new PodPlace { NodeName = "n" }, "metadata.labels['a']"));
        Assert.Equal("", PodFields.Read(pod, new PodPlace { NodeName = "n" }, "metadata.labels['none']"));
    }
}
