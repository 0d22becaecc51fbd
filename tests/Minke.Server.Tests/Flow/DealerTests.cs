using Minke.Server.Flow;

namespace Minke.Server.Tests.Flow;

public sealed class DealerTests
{
    [Theory]
    [InlineData(128, 6)]
    [InlineData(16, 4)]
    [InlineData(2, 1)]
    [InlineData(8, 8)]
    public void A_hand_has_no_card_twice_and_is_the_same_each_time(int deck, int hand)
    {
        var dealer = new Dealer(deck, hand);
        Span<int> cards = stackalloc int[hand];
        Span<int> again = stackalloc int[hand];
        for (var user = 0; user < 1000; user++)
        {
            dealer.Deal(Dealer.FlowOf("schema", $"user-{user}"), cards);
            dealer.Deal(Dealer.FlowOf("schema", $"user-{user}"), again);
            Assert.Equal(cards, again);
            Assert.Equal(hand, cards.ToArray().Distinct().Count());
            Assert.All(cards.ToArray(), card => Assert.InRange(card, 0, deck - 1));
        }
    }

    [Fact]
    public void Every_card_is_dealt_about_as_often_as_any_other()
    {
        var dealer = new Dealer(16, 4);
        var dealt = new int[16];
        Span<int> cards = stackalloc int[4];
        for (var user = 0; user < 8000; user++)
        {
            dealer.Deal(Dealer.FlowOf("schema", $"user-{user}"), cards);
            foreach (var card in cards)
                dealt[card]++;
        }
        Assert.All(dealt, count => Assert.InRange(count, 1800, 2200)); // of 2000 expected
    }

    [Fact]
    public void Hands_of_two_flows_are_seldom_the_same()
    {
        var dealer = new Dealer(128, 6);
        var hands = new HashSet<string>();
        for (var user = 0; user < 1000; user++)
        {
            var cards = new int[6];
            dealer.Deal(Dealer.FlowOf("schema", $"user-{user}"), cards);
            hands.Add(string.Join(',', cards.Order()));
        }
        Assert.Equal(1000, hands.Count);
    }
}
