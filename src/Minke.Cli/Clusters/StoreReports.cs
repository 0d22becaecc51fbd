using System.Text.Json.Serialization;

namespace Minke.Cli.Clusters;

/// <param name="Revision">Everything in it is as of this revision.</param>
/// <param name="TakenAt">When.</param>
/// <param name="Objects">How many.</param>
/// <param name="HasKeys">Whether it carries the keys that seal Secrets and the cluster's certificates.</param>
public sealed record BackupReport(long Revision, DateTimeOffset TakenAt, long Objects, bool HasKeys);

/// <param name="Backup">What it was made of.</param>
/// <param name="Revision">What it goes on from.</param>
/// <param name="Replaced">Where what was there before lies; null when nothing was.</param>
public sealed record RestoreReport(BackupReport Backup, long Revision, string? Replaced);

/// <summary>As the running cluster answers too.</summary>
/// <param name="Revision">The oldest that can still be asked for.</param>
/// <param name="ForgottenChanges">Of the past, in memory.</param>
/// <param name="FreedBytes">On the disk.</param>
/// <param name="SizeBytes">What the state takes on the disk now.</param>
public sealed record CompactReport(long Revision, int ForgottenChanges, long FreedBytes, long SizeBytes);

/// <summary>As the running cluster answers too.</summary>
/// <param name="Revision">The last one given out.</param>
/// <param name="Entries">How many there are.</param>
/// <param name="Problems">In words; none when all is well.</param>
public sealed record CheckReport(long Revision, long Entries, IReadOnlyList<string> Problems);

[JsonSerializable(typeof(BackupReport))]
[JsonSerializable(typeof(RestoreReport))]
[JsonSerializable(typeof(CompactReport))]
[JsonSerializable(typeof(CheckReport))]
[JsonSourceGenerationOptions(
    WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
internal sealed partial class StoreJson : JsonSerializerContext;
