using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using System.Text.Json.Serialization;

namespace Minke.Node.Images;

/// <summary>Operating system and processor an image is made for, in Go's words.</summary>
public sealed record Platform
{
    [JsonPropertyName("architecture")] public string Architecture { get; init; } = "";
    [JsonPropertyName("os")] public string Os { get; init; } = "";
    [JsonPropertyName("variant")] public string? Variant { get; init; }

    /// <summary>What this machine runs best.</summary>
    public static Platform Host { get; } = RuntimeInformation.OSArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.Arm64 => new() { Os = "linux", Architecture = "arm64", Variant = "v8" },
        System.Runtime.InteropServices.Architecture.Arm => new() { Os = "linux", Architecture = "arm", Variant = "v7" },
        System.Runtime.InteropServices.Architecture.S390x => new() { Os = "linux", Architecture = "s390x" },
        System.Runtime.InteropServices.Architecture.Ppc64le => new() { Os = "linux", Architecture = "ppc64le" },
        System.Runtime.InteropServices.Architecture.RiscV64 => new() { Os = "linux", Architecture = "riscv64" },
        _ => new() { Os = "linux", Architecture = "amd64", Variant = Amd64Level() },
    };

    /// <summary>Parses <c>os/architecture[/variant]</c>.</summary>
    /// <exception cref="FormatException">Not two or three parts.</exception>
    public static Platform Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Split('/') switch
        {
            [{ Length: > 0 } os, { Length: > 0 } architecture] => new() { Os = os, Architecture = architecture },
            [{ Length: > 0 } os, { Length: > 0 } architecture, { Length: > 0 } variant] => new() { Os = os, Architecture = architecture, Variant = variant },
            _ => throw new FormatException($"platform \"{text}\": want OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT"),
        };
    }

    /// <summary>How well an image fits this platform: null when it cannot run here, else the greater the better.</summary>
    public int? Fit(Platform? image)
    {
        // Old single-platform images say nothing; they were made for Linux on amd64.
        if (image is null || (image.Os.Length == 0 && image.Architecture.Length == 0))
            return 0;
        if (!string.Equals(image.Os, Os, StringComparison.OrdinalIgnoreCase))
            return null;
        var theirs = Normalise(image.Architecture);
        var level = Level(image.Variant, theirs);
        return (Normalise(Architecture), theirs) switch
        {
            // A level the processor lacks would end in illegal instructions.
            ("amd64", "amd64") => level <= Level(Variant, "amd64") ? 100 + level : null,
            ("amd64", "386") => 1,
            ("arm64", "arm64") => level <= Math.Max(8, Level(Variant, "arm64")) ? 100 + level : null,
            ("arm64", "arm") => level <= 8 ? 10 + level : null,
            ("arm", "arm") => level <= Level(Variant, "arm") ? 100 + level : null,
            var (ours, other) when ours == other => 100,
            _ => null,
        };
    }

    public override string ToString() => string.IsNullOrEmpty(Variant) || (Architecture, Variant) is ("amd64", "v1") or ("arm64", "v8")
        ? $"{Os}/{Architecture}" : $"{Os}/{Architecture}/{Variant}";

    private static string Normalise(string architecture) => architecture.ToLowerInvariant() switch
    {
        "x86_64" or "x86-64" => "amd64",
        "aarch64" => "arm64",
        "i386" => "386",
        var other => other,
    };

    private static int Level(string? variant, string architecture)
    {
        if (variant is ['v', var digit, ..] && char.IsAsciiDigit(digit))
            return digit - '0';
        return architecture switch { "arm64" => 8, "arm" => 7, _ => 1 };
    }

    private static string Amd64Level() => (Sse42.IsSupported && Popcnt.IsSupported, Avx2.IsSupported && Bmi2.IsSupported && Fma.IsSupported, Avx512BW.VL.IsSupported) switch
    {
        (true, true, true) => "v4",
        (true, true, false) => "v3",
        (true, false, _) => "v2",
        _ => "v1",
    };
}
