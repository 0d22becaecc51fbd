namespace Minke.Server.Flow;

/// <summary>
/// Deals every flow its own hand out of a deck of queues (shuffle sharding): two flows seldom have all cards in common, so that one that
/// fills its queues leaves any other a free one. A flow always gets the same hand.
/// </summary>
internal sealed class Dealer(int deckSize, int handSize)
{
    private const ulong Prime = 0x100000001b3;

    public int HandSize => handSize;

    public int DeckSize => deckSize;

    /// <param name="flow">Of <see cref="FlowOf"/>; its bits are used up card by card.</param>
    /// <param name="hand">Takes <see cref="HandSize"/> different cards.</param>
    public void Deal(ulong flow, Span<int> hand)
    {
        Span<int> taken = stackalloc int[handSize]; // ascending
        for (var i = 0; i < handSize; i++)
        {
            var left = (ulong)(deckSize - i);
            var card = (int)(flow % left);
            flow /= left;
            // The card-th of those left: each one taken below it moves it up by one.
            var place = 0;
            while (place < i && taken[place] <= card)
            {
                card++;
                place++;
            }
            taken[place..i].CopyTo(taken[(place + 1)..]);
            taken[place] = card;
            hand[i] = card;
        }
    }

    /// <summary>A number for a flow: FNV-1a, mixed once more so that all bits are worth dealing from. The same in every process.</summary>
    public static ulong FlowOf(string schema, string distinguisher)
    {
        var hash = Add(Add(0xcbf29ce484222325, schema) * Prime, distinguisher);
        hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
        hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
        return hash ^ (hash >> 33);
    }

    private static ulong Add(ulong hash, string text)
    {
        foreach (var letter in text)
            hash = (hash ^ letter) * Prime;
        return hash;
    }
}
