using System.Runtime.InteropServices;

namespace Minke.Node.Linux;

/// <summary>Pseudo-terminals.</summary>
internal static partial class Terminals
{
    private const nuint TIOCSWINSZ = 0x5414;

    /// <summary>Sets the size in characters. What is no terminal has none, which is fine.</summary>
    public static void Resize(SafeHandle terminal, int width, int height)
    {
        var size = new WindowSize { Rows = (ushort)height, Columns = (ushort)width };
        _ = Ioctl(terminal, TIOCSWINSZ, ref size);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct WindowSize
    {
        public ushort Rows;
        public ushort Columns;
        public ushort Width;
        public ushort Height;
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Ioctl(SafeHandle descriptor, nuint request, ref WindowSize size);
}
