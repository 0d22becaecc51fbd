using Microsoft.Win32.SafeHandles;
using Minke.Node.Images.Layers;

namespace Minke.Node.Images.Store;

/// <summary>
/// A layer somebody builds an image on. While it lives nothing collects the layer; pulls of this process share it. When the last
/// one lets go and no image was made of a new layer, it is removed.
/// </summary>
internal sealed class LayerLease(ImageStore store, LayerRecord record, SafeFileHandle directory, FileStream? blob, bool isNew)
{
    private int _users = 1; // guarded by the store's lock

    public LayerRecord Record => record;
    public bool IsNew => isNew;
    public string Path => store.LayerPath(record.Directory);

    /// <summary>Only under the store's lock.</summary>
    public LayerLease Again()
    {
        _users++;
        return this;
    }

    /// <summary>Only under the store's lock.</summary>
    public bool IsLast() => --_users == 0;

    /// <summary>True when nobody in this process needs the layer any more and no image may have been made of it.</summary>
    public bool Release() => store.Release(this, () =>
    {
        directory.Dispose();
        blob?.Dispose();
    }) && isNew;
}

/// <summary>A layer being unpacked.</summary>
internal sealed class LayerDraft(ImageStore store, string name, string path, SafeFileHandle handle) : IDisposable
{
    private SafeFileHandle? _handle = handle;

    public string Name => name;
    public string Path => path;

    public LayerLease Complete(LayerRecord record, FileStream? blob) => store.Complete(this, record, blob);

    public SafeFileHandle TakeHandle() => Interlocked.Exchange(ref _handle, null) ?? throw new InvalidOperationException("taken already");

    /// <summary>Removes the directory unless it was taken over.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _handle, null) is not { } held)
            return;
        using (held)
            TreeRemoval.Remove(path);
    }
}

/// <summary>A blob being written. Closing keeps what is there for another try; <see cref="Discard"/> does not.</summary>
internal sealed class PartialBlob(FileStream file, string path, Func<FileStream> publish) : IDisposable
{
    public FileStream File => file;

    /// <summary>Makes it a blob of the store and returns it, held.</summary>
    public FileStream Publish() => publish();

    public void Discard()
    {
        System.IO.File.Delete(path);
        file.Dispose();
    }

    public void Dispose()
    {
        if (!file.SafeFileHandle.IsClosed && file.Length == 0)
            Discard();
        file.Dispose();
    }
}
