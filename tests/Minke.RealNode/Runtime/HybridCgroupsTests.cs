using Minke.Node.Runtime.Embedded.Cgroups;

namespace Minke.RealNode.Runtime;

/// <summary>Clusters that share a machine share the hierarchy that takes controllers off the v2 tree.</summary>
public sealed class HybridCgroupsTests
{
    private const string Unified = "/sys/fs/cgroup/unified/cgroup.controllers";

    [Fact]
    public void Whoever_goes_first_leaves_the_others_what_they_need()
    {
        if (!File.Exists(Unified))
            return; // Pure v2: there is nothing to claim.
        var first = new HybridCgroups($"minke-test-{Guid.NewGuid():n}");
        var second = new HybridCgroups($"minke-test-{Guid.NewGuid():n}");
        try
        {
            first.Claim();
            second.Claim();
            Assert.Equal("", File.ReadAllText(Unified).Trim());
            first.Release();
            Assert.Equal("", File.ReadAllText(Unified).Trim());
        }
        finally
        {
            first.Release();
            second.Release();
        }
    }

    [Fact]
    public async Task Many_may_claim_and_give_back_at_the_same_time()
    {
        if (!File.Exists(Unified))
            return;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(() =>
        {
            for (var round = 0; round < 10; round++)
            {
                var one = new HybridCgroups($"minke-test-{i}-{Guid.NewGuid():n}");
                try
                {
                    one.Claim();
                    Assert.Equal("", File.ReadAllText(Unified).Trim());
                }
                finally
                {
                    one.Release();
                }
            }
        })));
    }
}
