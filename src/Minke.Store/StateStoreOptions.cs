namespace Minke.Store;

/// <summary>
/// How much of the past is kept in memory, for watches that resume and lists that continue: all changes younger than
/// <see cref="HistoryAge"/> and always the last <see cref="HistoryAtLeast"/>, but never more than <see cref="HistoryAtMost"/> or
/// <see cref="HistoryBytes"/>. What is older is compacted.
/// </summary>
public sealed record StateStoreOptions
{
    /// <summary>As long as the upstream API server keeps its history in etcd.</summary>
    public TimeSpan HistoryAge { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Changes kept however old they are, so that a watch on a quiet cluster can resume after a night.</summary>
    public int HistoryAtLeast { get; init; } = 1_000;

    /// <summary>Changes kept however young they are.</summary>
    public int HistoryAtMost { get; init; } = 100_000;

    /// <summary>Bytes of keys and values kept, however young they are.</summary>
    public long HistoryBytes { get; init; } = 32 << 20;

    /// <summary>Changes that may wait for one watch; one that is further behind ends.</summary>
    public int WatchLagAtMost { get; init; } = 20_000;

    /// <summary>Bytes of keys and values that may wait for one watch.</summary>
    public long WatchLagBytes { get; init; } = 64 << 20;
}
