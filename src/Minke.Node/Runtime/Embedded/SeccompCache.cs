using System.Buffers;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;

namespace Minke.Node.Runtime.Embedded;

/// <summary>
/// Seccomp profiles and their compiled forms. libseccomp needs about 12 ms to compile the default profile, more than everything else in
/// a container's start; crun leaves the result in its state and accepts it back.
/// </summary>
/// <remarks>
/// The section stays in the bundle beside the compiled filter: an OCI runtime that does not know the annotation compiles it as
/// before, so there is no way to end up without a filter.
/// </remarks>
internal sealed class SeccompCache(EmbeddedFiles files)
{
    private readonly ConcurrentDictionary<string, string> _compiled = new(StringComparer.Ordinal);

    /// <summary>The profile's section of a bundle, and the key of its compiled form; empty when unconfined.</summary>
    /// <exception cref="RuntimeException">The local profile cannot be read.</exception>
    public static (ReadOnlyMemory<byte> Section, string Key) For(ContainerSecurity security, IReadOnlyList<string> capabilities, string runtimeIdentity)
    {
        if (security.Privileged || security.Seccomp == SeccompKind.Unconfined)
            return (ReadOnlyMemory<byte>.Empty, "");
        ReadOnlyMemory<byte> section;
        if (security.Seccomp == SeccompKind.Localhost)
        {
            section = ReadLocal(security.SeccompLocalhostProfile);
        }
        else
        {
            var buffer = new ArrayBufferWriter<byte>(12 * 1024);
            using (var json = new Utf8JsonWriter(buffer))
                SeccompDefaults.Write(json, capabilities);
            section = buffer.WrittenMemory;
        }
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(section.Span);
        hash.AppendData(System.Text.Encoding.UTF8.GetBytes(runtimeIdentity));
        return (section, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    /// <summary>The compiled filter in base64, when one like it was compiled before.</summary>
    public string? Find(string key)
    {
        if (key.Length == 0)
            return null;
        if (_compiled.TryGetValue(key, out var known))
            return known;
        try
        {
            return _compiled[key] = Convert.ToBase64String(File.ReadAllBytes($"{files.Seccomp}/{key}"));
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Keeps what the OCI runtime compiled for a container just created.</summary>
    public void Learn(string key, string compiledFile)
    {
        if (key.Length == 0 || _compiled.ContainsKey(key))
            return;
        try
        {
            var filter = File.ReadAllBytes(compiledFile);
            // Instructions of eight bytes each (struct sock_filter).
            if (filter.Length == 0 || filter.Length % 8 != 0)
                return;
            EmbeddedFiles.WriteAtomically($"{files.Seccomp}/{key}", filter);
            _compiled[key] = Convert.ToBase64String(filter);
        }
        catch (IOException)
        {
            // Not crun, or a version that does not leave it behind: every container compiles its own.
        }
    }

    private static byte[] ReadLocal(string path)
    {
        try
        {
            var profile = File.ReadAllBytes(path);
            using var parsed = JsonDocument.Parse(profile);
            if (parsed.RootElement.ValueKind != JsonValueKind.Object || !parsed.RootElement.TryGetProperty("defaultAction", out _))
                throw new JsonException("no defaultAction");
            return profile;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new RuntimeException($"cannot load seccomp profile \"{path}\": open {path}: no such file or directory", e) { Reason = "CreateContainerError" };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new RuntimeException($"cannot load seccomp profile \"{path}\": {e.Message}", e) { Reason = "CreateContainerError" };
        }
    }
}
