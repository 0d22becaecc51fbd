using FsCheck;
using FsCheck.Fluent;
using Minke.Node.Network;

namespace Minke.Node.Tests.Network;

public sealed class AddressAllocatorTests
{
    [Fact]
    public void A_small_range_leaves_out_network_gateway_and_broadcast()
    {
        var addresses = new AddressAllocator(Ipv4Range.Parse("10.0.0.0/29"));
        Assert.Equal("10.0.0.1", addresses.Gateway.ToString());
        Assert.Equal(["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"], Enumerable.Range(0, 5).Select(_ => addresses.Take().ToString()!));
        Assert.Null(addresses.Take());
    }

    [Fact]
    public void An_address_given_back_is_the_last_to_be_used_again()
    {
        var addresses = new AddressAllocator(Ipv4Range.Parse("10.0.0.0/29"));
        var first = addresses.Take()!.Value;
        addresses.Release(first);
        Assert.Equal(["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"], Enumerable.Range(0, 5).Select(_ => addresses.Take().ToString()!));
    }

    [Theory]
    [InlineData("10.0.0.0")]
    [InlineData("10.0.0.1")]
    [InlineData("10.0.0.7")]
    [InlineData("10.0.1.3")]
    public void What_pods_may_not_have_cannot_be_taken(string address) =>
        Assert.False(new AddressAllocator(Ipv4Range.Parse("10.0.0.0/29")).TryTake(Ipv4.Parse(address)));

    [Fact]
    public void It_goes_on_behind_the_last_one_of_a_former_life()
    {
        var addresses = new AddressAllocator(Ipv4Range.Parse("10.0.0.0/29"));
        addresses.ContinueAfter(Ipv4.Parse("10.0.0.5"));
        Assert.Equal("10.0.0.6", addresses.Take().ToString());
        Assert.Equal("10.0.0.2", addresses.Take().ToString());
    }

    [Fact]
    public void No_address_ever_has_two_owners_and_none_is_lost()
    {
        var range = Ipv4Range.Parse("10.0.0.0/28");
        Prop.ForAll(
            Arb.From(Gen.Choose(-20, 20).ListOf()),
            steps =>
            {
                var addresses = new AddressAllocator(range);
                var owned = new HashSet<Ipv4>();
                foreach (var step in steps)
                {
                    var named = new Ipv4(range.First.Value + (uint)Math.Abs(step));
                    if (step > 13)
                    {
                        addresses.Release(named);
                        owned.Remove(named);
                    }
                    else if (step < 0)
                    {
                        if (addresses.TryTake(named) && !owned.Add(named))
                            return false;
                    }
                    else if (step % 3 == 0)
                    {
                        if (owned.OrderBy(address => address).FirstOrDefault() is var oldest && owned.Remove(oldest))
                            addresses.Release(oldest);
                    }
                    else if (addresses.Take() is { } address ? !owned.Add(address) : owned.Count != 13)
                    {
                        return false;
                    }
                    if (addresses.FreeCount + owned.Count != 13)
                        return false;
                }
                return true;
            }).QuickCheckThrowOnFailure();
    }
}
