using System.Runtime.InteropServices;

namespace Minke.Cli.Kubeconfigs;

/// <summary>A person's kubeconfig on disk: changed under kubectl's own lock, replaced in one step, and still theirs afterwards.</summary>
public sealed partial class KubeconfigFile(InvokingUser user)
{
    /// <summary>kubectl holds the lock for milliseconds; one that stays was left by a crash.</summary>
    private static readonly TimeSpan LockPatience = TimeSpan.FromSeconds(3);

    public string Path => user.KubeconfigPath;

    /// <summary>Merges a cluster in. Says whether it is now the current context.</summary>
    /// <exception cref="KubeconfigException">The file cannot be read, understood or written. It is as it was.</exception>
    public async Task<bool> MergeAsync(Kubeconfig config, bool makeCurrent, CancellationToken cancellationToken)
    {
        var isCurrent = false;
        await ChangeAsync(text =>
        {
            var merged = KubeconfigMerge.Merge(text, config, makeCurrent);
            isCurrent = (YamlTree.Parse(merged) as YamlTree.Mapping)?["current-context"] is YamlTree.Scalar current && current.Value == config.Name;
            return merged;
        }, cancellationToken);
        return isCurrent;
    }

    private async Task ChangeAsync(Func<string, string> change, CancellationToken cancellationToken)
    {
        try
        {
            // A link stays a link: dotfiles are often kept elsewhere.
            var target = System.IO.Path.GetFullPath(Path);
            if (new FileInfo(target) is { LinkTarget: not null } link)
                target = link.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
            MakeDirectory(System.IO.Path.GetDirectoryName(target)!);
            using var held = await LockAsync(target + ".lock", cancellationToken);
            var exists = File.Exists(target);
            var old = exists ? await File.ReadAllTextAsync(target, cancellationToken) : "";
            var text = change(old);
            if (text != old)
                Replace(target, text, exists ? File.GetUnixFileMode(target) : UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        catch (KubeconfigException exception)
        {
            throw new KubeconfigException($"{Path}: {exception.Message}; the file is unchanged", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new KubeconfigException($"{Path}: {exception.Message}", exception);
        }
    }

    private void Replace(string target, string text, UnixFileMode mode)
    {
        var temporary = $"{target}.minke-{Environment.ProcessId}";
        try
        {
            using (var stream = new FileStream(temporary, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }))
            {
                stream.Write(System.Text.Encoding.UTF8.GetBytes(text));
                stream.Flush(flushToDisk: true);
            }
            File.SetUnixFileMode(temporary, mode);
            GiveToUser(temporary);
            File.Move(temporary, target, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    private static async Task<IDisposable> LockAsync(string path, CancellationToken cancellationToken)
    {
        // kubectl's protocol: whoever creates the file has the lock. There is nothing to wait on, so this looks again.
        for (var waited = TimeSpan.Zero; ; waited += TimeSpan.FromMilliseconds(50))
        {
            try
            {
                return new FileStream(path, new FileStreamOptions
                {
                    Mode = FileMode.CreateNew,
                    Access = FileAccess.Write,
                    Options = FileOptions.DeleteOnClose,
                });
            }
            catch (IOException) when (File.Exists(path))
            {
                if (waited >= LockPatience)
                    throw new KubeconfigException($"another program is changing it; if none is, remove {path}");
            }
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancellationToken);
        }
    }

    private void MakeDirectory(string directory)
    {
        if (Directory.Exists(directory))
            return;
        MakeDirectory(System.IO.Path.GetDirectoryName(directory)!);
        Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        GiveToUser(directory);
    }

    private void GiveToUser(string path)
    {
        if (user is { Uid: { } uid, Gid: { } gid } && ChangeOwner(path, uid, gid) != 0)
            throw new IOException($"give {path} to user {uid}: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    [LibraryImport("libc", EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeOwner(string path, uint uid, uint gid);
}
