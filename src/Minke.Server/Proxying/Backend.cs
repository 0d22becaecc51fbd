namespace Minke.Server.Proxying;

/// <summary>Where a request goes.</summary>
internal sealed record Backend
{
    /// <summary>How it is reached.</summary>
    public required HttpMessageInvoker Transport { get; init; }

    public required string Scheme { get; init; }

    /// <summary>Host and port.</summary>
    public required string Authority { get; init; }

    /// <summary>What it is asked for, not escaped. Empty leads whoever reads to the same place with a slash.</summary>
    public required string Path { get; init; }

    /// <summary>With its question mark; empty for none.</summary>
    public string Query { get; init; } = "";

    /// <summary>What it sees as <c>Host</c>; null for what the client asked for.</summary>
    public string? Host { get; init; }

    /// <summary>Set for a server that stands for this one: it may not send clients elsewhere, and knows under which address it was asked.</summary>
    public bool IsPartOfApi { get; init; }

    /// <summary>On top of what passes.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Headers { get; init; } = [];
}
