using FsCheck;
using FsCheck.Fluent;
using Minke.Node.Network;

namespace Minke.Node.Tests.Network;

public sealed class Ipv4Tests
{
    [Fact]
    public void Every_address_reads_back_as_it_was_written() =>
        Prop.ForAll<uint>(value => Ipv4.Parse(new Ipv4(value).ToString()).Value == value).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("")]
    [InlineData("10.1")]
    [InlineData("010.0.0.1")]
    [InlineData("0x0a.0.0.1")]
    [InlineData("1.2.3.256")]
    [InlineData("::1")]
    [InlineData(" 1.2.3.4")]
    public void What_is_not_four_decimal_numbers_is_no_address(string text) => Assert.False(Ipv4.TryParse(text, out _));

    [Fact]
    public void A_range_begins_at_its_network_and_ends_at_its_broadcast_address()
    {
        var range = Ipv4Range.Parse("10.42.7.9/22");
        Assert.Equal(("10.42.4.0/22", "10.42.4.0", "10.42.7.255", 1024L), (range.ToString(), range.First.ToString(), range.Last.ToString(), range.Size));
    }

    [Theory]
    [InlineData("10.0.0.0")]
    [InlineData("10.0.0.0/33")]
    [InlineData("10.0.0.0/-1")]
    [InlineData("10.0.0.0/ 8")]
    [InlineData("/8")]
    public void What_is_not_address_and_length_is_no_range(string text) => Assert.False(Ipv4Range.TryParse(text, out _));

    [Fact]
    public void The_first_free_block_touches_nothing_in_use_and_none_before_it_is_free()
    {
        var space = Ipv4Range.Parse("10.42.0.0/24");
        var block = from place in Gen.Choose(0, 255) from length in Gen.Choose(22, 32) select new Ipv4Range(new Ipv4(space.First.Value + (uint)place), length);
        Prop.ForAll(
            Arb.From(block.ListOf()),
            Arb.From(Gen.Choose(24, 30)),
            (used, length) =>
            {
                var all = Enumerable.Range(0, 1 << (length - 24)).Select(i => new Ipv4Range(new Ipv4(space.First.Value + ((uint)i << (32 - length))), length));
                Ipv4Range? expected = all.Where(candidate => !used.Any(candidate.Overlaps)).Select(candidate => (Ipv4Range?)candidate).FirstOrDefault();
                return space.FirstFree(length, [.. used]) == expected;
            }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void A_block_at_the_very_end_of_the_address_space_is_found() =>
        Assert.Equal("255.255.255.0/24", Ipv4Range.Parse("255.255.254.0/23").FirstFree(24, [Ipv4Range.Parse("255.255.254.0/24")]).ToString());
}
