using Minke.Api.Core.V1;

namespace Minke.Server.Services;

/// <summary>What a write has taken for a Service: kept when the write is through, given back when it is disposed of before.</summary>
internal sealed class ServiceReservation(ServiceAllocator allocator) : IDisposable
{
    private bool _isKept;

    /// <summary>The Service with what it got.</summary>
    public Service Value { get; set; } = new();

    internal List<long> Taken { get; } = [];
    internal List<int> TakenPorts { get; } = [];

    /// <summary>What the Service had and will have no more.</summary>
    internal List<long> Freed { get; } = [];
    internal List<int> FreedPorts { get; } = [];

    public void Keep()
    {
        _isKept = true;
        allocator.Return(Freed, FreedPorts);
    }

    public void Dispose()
    {
        if (!_isKept)
            allocator.Return(Taken, TakenPorts);
    }
}
