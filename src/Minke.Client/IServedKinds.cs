using Minke.Api;

namespace Minke.Client;

/// <summary>What the API serves: built-in kinds, and custom ones that come and go.</summary>
public interface IServedKinds
{
    /// <summary>At the moment, every version of each; the same list as long as nothing changes.</summary>
    IReadOnlyList<KindInfo> Current { get; }

    /// <summary>The list is another one now. Raised by whoever changed it: be quick.</summary>
    event Action? Changed;
}
