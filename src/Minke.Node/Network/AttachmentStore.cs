using System.Text.Json;
using System.Text.Json.Serialization;
using Minke.Node.Runtime;

namespace Minke.Node.Network;

/// <summary>Which address and host ports belong to a sandbox.</summary>
internal sealed record AttachmentRecord
{
    public required SandboxId Sandbox { get; init; }
    public required string Namespace { get; init; }
    public required string Name { get; init; }
    public required string Uid { get; init; }
    public required string Address { get; init; }
    public required DateTimeOffset AttachedAt { get; init; }
    public IReadOnlyList<PortMapping> HostPorts { get; init; } = [];

    [JsonIgnore]
    public Ipv4 Ip => Ipv4.Parse(Address);
}

/// <summary>
/// One file a sandbox, complete or absent. It is written before anybody hears of the attachment and removed before anything of it
/// is taken down, so after a crash a namespace without a record is nobody's.
/// </summary>
/// <remarks>
/// Nothing is flushed to disk: killing us loses nothing, and what loses power loses its namespaces too. Files:
/// <c>sandboxes/ID</c>, JSON; <c>range</c>, the range in use as text.
/// </remarks>
internal sealed class AttachmentStore(string directory)
{
    private const string Unfinished = ".new";

    private readonly string _sandboxes = Path.Combine(directory, "sandboxes");
    private readonly string _range = Path.Combine(directory, "range");

    /// <summary>Makes the directories; for our eyes only, since they say which pods there are.</summary>
    internal void Create() => Directory.CreateDirectory(
        _sandboxes, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

    internal Ipv4Range? ReadRange() => File.Exists(_range) && Ipv4Range.TryParse(File.ReadAllText(_range).Trim(), out var range) ? range : null;

    internal void WriteRange(Ipv4Range range) => Write(_range, System.Text.Encoding.UTF8.GetBytes($"{range}\n"));

    /// <summary>All records, by id. Files that cannot be read are removed: their sandboxes are as good as unknown.</summary>
    internal List<AttachmentRecord> ReadAll()
    {
        if (!Directory.Exists(_sandboxes))
            return [];
        var records = new List<AttachmentRecord>();
        foreach (var path in Directory.EnumerateFiles(_sandboxes).Order(StringComparer.Ordinal))
        {
            if (TryRead(path) is { } record)
                records.Add(record);
            else
                File.Delete(path);
        }
        return records;
    }

    internal void Write(AttachmentRecord record) =>
        Write(PathOf(record.Sandbox), JsonSerializer.SerializeToUtf8Bytes(record, AttachmentJson.Default.AttachmentRecord));

    internal void Remove(SandboxId sandbox) => File.Delete(PathOf(sandbox));

    /// <summary>Removes everything.</summary>
    internal void Destroy()
    {
        if (!Directory.Exists(directory))
            return;
        if (Directory.Exists(_sandboxes))
            Directory.Delete(_sandboxes, recursive: true);
        File.Delete(_range);
        File.Delete(_range + Unfinished);
    }

    private string PathOf(SandboxId sandbox) =>
        sandbox.Value.Length is > 0 and <= 128 && sandbox.Value.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')
            ? Path.Combine(_sandboxes, sandbox.Value)
            : throw new ArgumentException($"sandbox id \"{sandbox}\": not one that can name a file", nameof(sandbox));

    private static AttachmentRecord? TryRead(string path)
    {
        try
        {
            var record = JsonSerializer.Deserialize(File.ReadAllBytes(path), AttachmentJson.Default.AttachmentRecord);
            return record is not null && record.Sandbox.Value == Path.GetFileName(path) && Ipv4.TryParse(record.Address, out _) ? record : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static void Write(string path, ReadOnlySpan<byte> bytes)
    {
        File.WriteAllBytes(path + Unfinished, bytes);
        File.Move(path + Unfinished, path, overwrite: true);
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(AttachmentRecord))]
internal sealed partial class AttachmentJson : JsonSerializerContext;
