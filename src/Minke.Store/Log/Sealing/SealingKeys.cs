using System.Security.Cryptography;
using System.Text;

namespace Minke.Store.Log.Sealing;

/// <summary>
/// The keys that values are sealed with on disk, in a file of mode 0600: a line a key, its id and 32 bytes in base64. The first seals,
/// all open.
/// </summary>
public sealed class SealingKeys
{
    private const int KeyBytes = 32;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly List<(string Id, byte[] Key)> _keys;

    private SealingKeys(string path, List<(string Id, byte[] Key)> keys) => (Path, _keys) = (path, keys);

    public string Path { get; }

    /// <summary>Which key seals.</summary>
    public string ActiveId => _keys[0].Id;

    /// <summary>Reads the file; made with one new key when there is none.</summary>
    /// <exception cref="StoreUnavailableException">It cannot be read or written.</exception>
    /// <exception cref="StoreCorruptException">It holds no keys.</exception>
    public static SealingKeys Open(string path)
    {
        try
        {
            if (File.Exists(path))
                return new(path, Parse(path, File.ReadAllLines(path)));
            var keys = new SealingKeys(path, [NewKey()]);
            keys.Save();
            return keys;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new StoreUnavailableException($"use the keys in {path}: {exception.Message}", exception);
        }
    }

    /// <summary>A new key seals from now on; the others still open.</summary>
    public void Rotate()
    {
        _keys.Insert(0, NewKey());
        Save();
    }

    /// <summary>Forgets every key but the one that seals. Only when nothing is sealed with them any more.</summary>
    public void ForgetOld()
    {
        _keys.RemoveRange(1, _keys.Count - 1);
        Save();
    }

    internal byte[] Active => _keys[0].Key;

    internal byte[]? Find(ReadOnlySpan<byte> id)
    {
        foreach (var (known, key) in _keys)
        {
            if (id.SequenceEqual(Encoding.ASCII.GetBytes(known)))
                return key;
        }
        return null;
    }

    private static List<(string Id, byte[] Key)> Parse(string path, string[] lines)
    {
        var keys = new List<(string, byte[])>();
        foreach (var line in lines)
        {
            if (line.Length == 0)
                continue;
            var key = new byte[KeyBytes];
            if (line.Split(' ') is not [{ Length: > 0 } id, var text] || id.Contains(':', StringComparison.Ordinal)
                || !Convert.TryFromBase64String(text, key, out var length) || length != KeyBytes)
                throw new StoreCorruptException($"{path}: line {keys.Count + 1} is not an id and a key of 32 bytes in base64: restore the file");
            keys.Add((id, key));
        }
        return keys.Count > 0 ? keys : throw new StoreCorruptException($"{path} holds no key: restore the file");
    }

    private static (string Id, byte[] Key) NewKey() => (Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4)), RandomNumberGenerator.GetBytes(KeyBytes));

    /// <summary>A reader, and the next start after a crash, sees the old file or the new.</summary>
    private void Save()
    {
        var temporary = Path + ".new";
        File.Delete(temporary);
        using (var stream = new FileStream(temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly }))
        {
            foreach (var (id, key) in _keys)
                stream.Write(Encoding.ASCII.GetBytes($"{id} {Convert.ToBase64String(key)}\n"));
            stream.Flush(flushToDisk: true);
        }
        File.Move(temporary, Path, overwrite: true);
    }
}
