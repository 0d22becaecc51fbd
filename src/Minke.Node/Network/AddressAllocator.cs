using System.Collections;

namespace Minke.Node.Network;

/// <summary>
/// Hands out the addresses of the node's range, round robin, so that one given back is the last to be used again: what others
/// remember of its former owner (connections, DNS answers) has had the most time to fade.
/// </summary>
/// <remarks>
/// The first address names the network, the second is the gateway (the bridge), the last is broadcast. Not thread safe. What is
/// taken is kept by others (<see cref="AttachmentStore"/>) and taken again with <see cref="TryTake"/> after a start.
/// </remarks>
internal sealed class AddressAllocator
{
    private const int First = 2;

    private readonly BitArray _taken;
    private readonly int _end;
    private int _next = First;
    private int _takenCount;

    internal AddressAllocator(Ipv4Range range)
    {
        // Larger ranges would only cost memory: a bridge has 1024 ports at most.
        ArgumentOutOfRangeException.ThrowIfLessThan(range.PrefixLength, 16);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(range.PrefixLength, 29);
        Range = range;
        _end = (int)range.Size - 1;
        _taken = new BitArray(_end);
    }

    internal Ipv4Range Range { get; }

    internal Ipv4 Gateway => At(1);

    /// <summary>Addresses not taken.</summary>
    internal int FreeCount => _end - First - _takenCount;

    /// <summary>The next free address, or null when all are taken.</summary>
    internal Ipv4? Take()
    {
        for (var tried = First; tried < _end; tried++)
        {
            var index = _next;
            _next = index + 1 < _end ? index + 1 : First;
            if (Set(index))
                return At(index);
        }
        return null;
    }

    /// <summary>Takes a certain address. False when it is taken, or is not one that pods may have.</summary>
    internal bool TryTake(Ipv4 address) => IsForPods(address) && Set(IndexOf(address));

    /// <summary>Gives an address back; one that is not taken stays so.</summary>
    internal void Release(Ipv4 address)
    {
        if (!IsForPods(address) || !_taken[IndexOf(address)])
            return;
        _taken[IndexOf(address)] = false;
        _takenCount--;
    }

    /// <summary>Goes on behind an address, as if it had been the last one handed out.</summary>
    internal void ContinueAfter(Ipv4 address)
    {
        if (IsForPods(address))
            _next = IndexOf(address) + 1 < _end ? IndexOf(address) + 1 : First;
    }

    private bool Set(int index)
    {
        if (_taken[index])
            return false;
        _taken[index] = true;
        _takenCount++;
        return true;
    }

    private bool IsForPods(Ipv4 address) => Range.Contains(address) && IndexOf(address) >= First && IndexOf(address) < _end;

    private Ipv4 At(int index) => new(Range.First.Value + (uint)index);

    private int IndexOf(Ipv4 address) => (int)(address.Value - Range.First.Value);
}
