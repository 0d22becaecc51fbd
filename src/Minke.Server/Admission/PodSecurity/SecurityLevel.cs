using System.Globalization;
using Minke.Api;

namespace Minke.Server.Admission.PodSecurity;

/// <summary>The profiles of the Pod Security Standards, each within the one before it.</summary>
internal enum SecurityLevel { Privileged, Baseline, Restricted }

/// <summary>A profile as a release of Kubernetes had it.</summary>
/// <param name="Level">Which one.</param>
/// <param name="Minor">Of the release 1.x; <see cref="Latest"/> for the newest.</param>
internal readonly record struct LeveledVersion(SecurityLevel Level, int Minor)
{
    public const int Latest = int.MaxValue;

    public static LeveledVersion Open => new(SecurityLevel.Privileged, Latest);

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{NameOf(Level)}:{(Minor == Latest ? "latest" : $"v1.{Minor}")}");

    public static string NameOf(SecurityLevel level) => level switch
    {
        SecurityLevel.Restricted => "restricted",
        SecurityLevel.Baseline => "baseline",
        _ => "privileged",
    };
}

/// <summary>What the labels of a namespace ask for.</summary>
internal readonly record struct NamespacePolicy(LeveledVersion Enforce, LeveledVersion Audit, LeveledVersion Warn)
{
    private const string Prefix = "pod-security.kubernetes.io/";

    public bool IsOpen => Enforce.Level == SecurityLevel.Privileged && HasNothingToTell;
    public bool HasNothingToTell => Audit.Level == SecurityLevel.Privileged && Warn.Level == SecurityLevel.Privileged;

    /// <param name="labels">Of the namespace.</param>
    /// <param name="errors">Gets what cannot be read. An unreadable profile is the strictest where it is enforced, none elsewhere.</param>
    public static NamespacePolicy Of(ApiMap<string> labels, FieldErrors errors) => new(
        Read(labels, "enforce", SecurityLevel.Restricted, errors),
        Read(labels, "audit", SecurityLevel.Privileged, errors),
        Read(labels, "warn", SecurityLevel.Privileged, errors));

    private static LeveledVersion Read(ApiMap<string> labels, string mode, SecurityLevel unreadable, FieldErrors errors)
    {
        var (level, minor) = (SecurityLevel.Privileged, LeveledVersion.Latest);
        var (levelLabel, versionLabel) = (Prefix + mode, $"{Prefix}{mode}-version");
        if (labels.TryGetValue(levelLabel, out var text))
        {
            switch (text)
            {
                case "privileged":
                    break;
                case "baseline":
                    level = SecurityLevel.Baseline;
                    break;
                case "restricted":
                    level = SecurityLevel.Restricted;
                    break;
                default:
                    level = unreadable;
                    errors.Invalid($"metadata.labels[{levelLabel}]", text, "must be one of privileged, baseline, restricted");
                    break;
            }
        }
        if (labels.TryGetValue(versionLabel, out var version) && version != "latest" && !TryReadMinor(version, out minor))
            errors.Invalid($"metadata.labels[{versionLabel}]", version, "must be \"latest\" or \"v1.x\"");
        return new(level, minor);
    }

    private static bool TryReadMinor(string version, out int minor)
    {
        minor = LeveledVersion.Latest;
        if (!version.StartsWith("v1.", StringComparison.Ordinal) || (version.Length > 4 && version[3] == '0')
            || !int.TryParse(version.AsSpan(3), NumberStyles.None, CultureInfo.InvariantCulture, out var read))
            return false;
        minor = read;
        return true;
    }
}
