using System.Runtime.InteropServices;

namespace Minke.Node.Linux;

/// <summary>
/// Runs nft scripts through libnftables, the library the <c>nft</c> tool is made of: the same language, without a process for
/// each change. A script is one transaction: all of it happens or nothing.
/// </summary>
/// <remarks>It belongs for life to the network namespace of the thread that opened it, and may be used from any thread.</remarks>
internal sealed partial class Nftables : IDisposable
{
    private const string Library = "libnftables.so.1";
    private const uint NFT_CTX_OUTPUT_HANDLE = 1 << 3;

    /// <summary>The library's context is for one thread at a time; guards it.</summary>
    private readonly Lock _gate = new();
    private nint _context;

    private Nftables(nint context) => _context = context;

    /// <exception cref="DllNotFoundException">nftables is not installed.</exception>
    internal static Nftables Open()
    {
        var context = nft_ctx_new(0);

        // Without buffers the library writes to our standard streams.
        if (context == 0 || nft_ctx_buffer_output(context) != 0 || nft_ctx_buffer_error(context) != 0)
            throw new LinuxException(Errno.ENOMEM, "open nftables");
        nft_ctx_output_set_flags(context, NFT_CTX_OUTPUT_HANDLE);
        return new Nftables(context);
    }

    /// <param name="script">nft's language; see nft(8).</param>
    /// <param name="attempted">What the script is for: <c>open host port 80 for shop/web-0</c>.</param>
    /// <exception cref="LinuxException">The kernel or the parser refused; nothing was changed.</exception>
    internal void Run(string script, string attempted)
    {
        if (TryRun(script) is { } error)
            throw new LinuxException(Errno.EINVAL, attempted, error);
    }

    /// <summary>As <see cref="Run"/>, but gives back the library's words; null after success.</summary>
    internal string? TryRun(string script)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_context == 0, this);
            var result = nft_run_cmd_from_buffer(_context, script);
            nft_ctx_get_output_buffer(_context);
            var errors = Marshal.PtrToStringUTF8(nft_ctx_get_error_buffer(_context));
            return result == 0 ? null : string.IsNullOrWhiteSpace(errors) ? "nftables refused the change" : errors.Trim();
        }
    }

    /// <summary>What a listing command prints, with handles, or null when there is no such thing.</summary>
    internal string? TryList(string command)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_context == 0, this);
            var result = nft_run_cmd_from_buffer(_context, command);
            var output = Marshal.PtrToStringUTF8(nft_ctx_get_output_buffer(_context));
            nft_ctx_get_error_buffer(_context);
            return result == 0 ? output : null;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_context != 0)
                nft_ctx_free(_context);
            _context = 0;
        }
    }

    [LibraryImport(Library)]
    private static partial nint nft_ctx_new(uint flags);

    [LibraryImport(Library)]
    private static partial void nft_ctx_free(nint context);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int nft_run_cmd_from_buffer(nint context, string script);

    [LibraryImport(Library)]
    private static partial void nft_ctx_output_set_flags(nint context, uint flags);

    [LibraryImport(Library)]
    private static partial int nft_ctx_buffer_output(nint context);

    [LibraryImport(Library)]
    private static partial nint nft_ctx_get_output_buffer(nint context);

    [LibraryImport(Library)]
    private static partial int nft_ctx_buffer_error(nint context);

    [LibraryImport(Library)]
    private static partial nint nft_ctx_get_error_buffer(nint context);
}
