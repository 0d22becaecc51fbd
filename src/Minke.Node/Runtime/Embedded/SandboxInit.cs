using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Minke.Node.Runtime.Embedded;

/// <summary>
/// The first process of a PID namespace that containers share. It does nothing: children that lose their parents become its own, and
/// since it ignores SIGCHLD the kernel reaps them. About 200 bytes of machine code, so that no image and no package is needed.
/// </summary>
internal static class SandboxInit
{
    private const ulong LoadAddress = 0x400000;
    private const int HeaderBytes = 64 + 56;

    // rt_sigaction(SIGCHLD, { SIG_IGN }, NULL, 8); for (;;) pause();
    private static readonly byte[] X64 =
    [
        0xb8, 0x0d, 0x00, 0x00, 0x00,               //   mov  eax, 13 (rt_sigaction)
        0xbf, 0x11, 0x00, 0x00, 0x00,               //   mov  edi, 17 (SIGCHLD)
        0x48, 0x8d, 0x35, 0x13, 0x00, 0x00, 0x00,   //   lea  rsi, [action]
        0x31, 0xd2,                                 //   xor  edx, edx
        0x41, 0xba, 0x08, 0x00, 0x00, 0x00,         //   mov  r10d, 8
        0x0f, 0x05,                                 //   syscall
        0xb8, 0x22, 0x00, 0x00, 0x00,               // 1: mov  eax, 34 (pause)
        0x0f, 0x05,                                 //   syscall
        0xeb, 0xf7,                                 //   jmp  1b
    ];

    // The same with ppoll(NULL, 0, NULL, NULL): this architecture has no pause.
    private static readonly uint[] Arm64 =
    [
        0xd28010c8,                                 //   mov  x8, 134 (rt_sigaction)
        0xd2800220,                                 //   mov  x0, 17 (SIGCHLD)
        0x10000181,                                 //   adr  x1, action
        0xd2800002,                                 //   mov  x2, 0
        0xd2800103,                                 //   mov  x3, 8
        0xd4000001,                                 //   svc  0
        0xd2800000,                                 // 1: mov  x0, 0
        0xd2800001,                                 //   mov  x1, 0
        0xd2800002,                                 //   mov  x2, 0
        0xd2800003,                                 //   mov  x3, 0
        0xd2800928,                                 //   mov  x8, 73 (ppoll)
        0xd4000001,                                 //   svc  0
        0x17fffffa,                                 //   b    1b
        0xd503201f,                                 //   nop
    ];

    // struct sigaction as the kernel has it: handler SIG_IGN, then flags, restorer and mask, all zero.
    private static readonly byte[] IgnoreAction = [1, .. new byte[31]];

    /// <summary>A static ELF executable for this machine.</summary>
    public static byte[] Executable()
    {
        var code = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => X64,
            Architecture.Arm64 => MemoryMarshal.AsBytes(Arm64.AsSpan()).ToArray(),
            var other => throw new RuntimeException($"share a PID namespace: not supported on {other}"),
        };
        var image = new byte[HeaderBytes + code.Length + IgnoreAction.Length];
        var at = image.AsSpan();

        // Elf64_Ehdr
        "\u007fELF"u8.CopyTo(at);
        at[4] = 2; // 64 bits
        at[5] = 1; // little endian
        at[6] = 1;
        BinaryPrimitives.WriteUInt16LittleEndian(at[16..], 2); // ET_EXEC
        BinaryPrimitives.WriteUInt16LittleEndian(at[18..], (ushort)(RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 62 : 183));
        BinaryPrimitives.WriteUInt32LittleEndian(at[20..], 1);
        BinaryPrimitives.WriteUInt64LittleEndian(at[24..], LoadAddress + HeaderBytes); // entry
        BinaryPrimitives.WriteUInt64LittleEndian(at[32..], 64); // program headers
        BinaryPrimitives.WriteUInt16LittleEndian(at[52..], 64);
        BinaryPrimitives.WriteUInt16LittleEndian(at[54..], 56);
        BinaryPrimitives.WriteUInt16LittleEndian(at[56..], 1);

        // Elf64_Phdr: the whole file, readable and executable
        var segment = at[64..];
        BinaryPrimitives.WriteUInt32LittleEndian(segment, 1); // PT_LOAD
        BinaryPrimitives.WriteUInt32LittleEndian(segment[4..], 5); // R + X
        BinaryPrimitives.WriteUInt64LittleEndian(segment[16..], LoadAddress);
        BinaryPrimitives.WriteUInt64LittleEndian(segment[24..], LoadAddress);
        BinaryPrimitives.WriteUInt64LittleEndian(segment[32..], (ulong)image.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(segment[40..], (ulong)image.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(segment[48..], 0x1000);

        code.CopyTo(at[HeaderBytes..]);
        IgnoreAction.CopyTo(at[(HeaderBytes + code.Length)..]);
        return image;
    }
}
