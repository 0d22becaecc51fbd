using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Minke.Node.Linux;

namespace Minke.Node.Runtime.Embedded;

/// <summary>A mount of a bundle, as the OCI specification spells it.</summary>
internal sealed record BundleMount(string Destination, string Type, string Source, params string[] Options);

/// <summary>Everything a container's <c>config.json</c> is made from; see <see cref="BundleWriter"/>.</summary>
internal sealed record Bundle
{
    public required IReadOnlyList<string> Arguments { get; init; }
    public required IReadOnlyList<string> Environment { get; init; }
    public required string WorkingDirectory { get; init; }
    public required ImageUser User { get; init; }
    public required IReadOnlyList<string> Capabilities { get; init; }
    public required ContainerSecurity Security { get; init; }
    public required LinuxResources Resources { get; init; }
    public required string CgroupPath { get; init; }
    public required IReadOnlyList<BundleMount> Mounts { get; init; }

    /// <summary>Kinds and paths to join; an empty path for a new one.</summary>
    public required IReadOnlyList<(string Kind, string Path)> Namespaces { get; init; }
    public bool Terminal { get; init; }
    public int? OomScoreAdj { get; init; }
    public bool IsUnified { get; init; }
    public bool LimitsHugePages { get; init; }

    /// <summary>The <c>linux.seccomp</c> section as JSON; empty when unconfined.</summary>
    public ReadOnlyMemory<byte> Seccomp { get; init; }

    /// <summary>The same compiled, in base64; null when it is not known yet.</summary>
    public string? CompiledSeccomp { get; init; }
}

/// <summary>Writes an OCI runtime bundle's <c>config.json</c> (runtime-spec 1.0.2), with containerd's defaults.</summary>
internal static class BundleWriter
{
    /// <summary>crun takes the compiled filter from here and then does not compile the section; others ignore it.</summary>
    private const string CompiledSeccompAnnotation = "run.oci.seccomp_bpf_data";

    private static readonly string[] MaskedPaths =
    [
        "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
        "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
    ];

    private static readonly string[] ReadonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

    public static ReadOnlySpan<byte> Write(Bundle bundle, string rootfs)
    {
        var buffer = new ArrayBufferWriter<byte>(16 * 1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("ociVersion", "1.0.2");
            WriteProcess(json, bundle);
            json.WriteStartObject("root");
            json.WriteString("path", rootfs);
            json.WriteBoolean("readonly", bundle.Security.ReadOnlyRootFilesystem);
            json.WriteEndObject();
            WriteMounts(json, bundle.Mounts);
            if (bundle.CompiledSeccomp is not null)
            {
                json.WriteStartObject("annotations");
                json.WriteString(CompiledSeccompAnnotation, bundle.CompiledSeccomp);
                json.WriteEndObject();
            }
            WriteLinux(json, bundle);
            json.WriteEndObject();
        }
        return buffer.WrittenSpan;
    }

    /// <summary>The process of a command in a container: as its first one, with other arguments.</summary>
    public static ReadOnlySpan<byte> Process(byte[] config, ExecRequest request)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using var document = JsonDocument.Parse(config);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteBoolean("terminal", request.Tty);
            Strings(json, "args", request.Command);
            foreach (var property in document.RootElement.GetProperty("process").EnumerateObject())
            {
                if (property.NameEquals("env") && request.Tty && property.Value.EnumerateArray().All(variable => !variable.GetString()!.StartsWith("TERM=", StringComparison.Ordinal)))
                    Strings(json, "env", [.. property.Value.EnumerateArray().Select(variable => variable.GetString()!), "TERM=xterm"]);
                else if (!property.NameEquals("args") && !property.NameEquals("terminal"))
                    property.WriteTo(json);
            }
            json.WriteEndObject();
        }
        return buffer.WrittenSpan;
    }

    private static void WriteProcess(Utf8JsonWriter json, Bundle bundle)
    {
        json.WriteStartObject("process");
        json.WriteBoolean("terminal", bundle.Terminal);
        json.WriteStartObject("user");
        json.WriteNumber("uid", bundle.User.Uid);
        json.WriteNumber("gid", bundle.User.Gid);
        json.WriteStartArray("additionalGids");
        foreach (var group in bundle.User.Groups)
            json.WriteNumberValue(group);
        json.WriteEndArray();
        json.WriteEndObject();
        Strings(json, "args", bundle.Arguments);
        Strings(json, "env", bundle.Environment);
        json.WriteString("cwd", bundle.WorkingDirectory);
        json.WriteStartObject("capabilities");
        foreach (var set in (string[])["bounding", "effective", "permitted"])
            Strings(json, set, bundle.Capabilities);
        json.WriteEndObject();
        json.WriteBoolean("noNewPrivileges", bundle.Security.NoNewPrivileges);
        if (bundle.OomScoreAdj is { } score)
            json.WriteNumber("oomScoreAdj", score);
        if (bundle.Security.AppArmorProfile.Length > 0)
            json.WriteString("apparmorProfile", bundle.Security.AppArmorProfile);
        json.WriteEndObject();
    }

    private static void WriteMounts(Utf8JsonWriter json, IReadOnlyList<BundleMount> mounts)
    {
        json.WriteStartArray("mounts");
        foreach (var mount in mounts)
        {
            json.WriteStartObject();
            json.WriteString("destination", mount.Destination);
            json.WriteString("type", mount.Type);
            json.WriteString("source", mount.Source);
            Strings(json, "options", mount.Options);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteLinux(Utf8JsonWriter json, Bundle bundle)
    {
        json.WriteStartObject("linux");
        json.WriteString("cgroupsPath", bundle.CgroupPath);
        json.WriteStartArray("namespaces");
        foreach (var (kind, path) in bundle.Namespaces)
        {
            json.WriteStartObject();
            json.WriteString("type", kind);
            if (path.Length > 0)
                json.WriteString("path", path);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        WriteResources(json, bundle);
        if (bundle.Security.Privileged)
            WriteMachineDevices(json);
        if (bundle.Mounts.Any(mount => mount.Options.Contains("rshared")))
            json.WriteString("rootfsPropagation", "rshared");
        else if (bundle.Mounts.Any(mount => mount.Options.Contains("rslave")))
            json.WriteString("rootfsPropagation", "rslave");
        if (bundle.Security is { MaskPaths: true, Privileged: false })
        {
            Strings(json, "maskedPaths", MaskedPaths);
            Strings(json, "readonlyPaths", ReadonlyPaths);
        }
        if (!bundle.Seccomp.IsEmpty)
        {
            json.WritePropertyName("seccomp");
            json.WriteRawValue(bundle.Seccomp.Span, skipInputValidation: true);
        }
        json.WriteEndObject();
    }

    private static void WriteResources(Utf8JsonWriter json, Bundle bundle)
    {
        var resources = bundle.Resources;
        json.WriteStartObject("resources");
        json.WriteStartArray("devices");
        json.WriteStartObject();
        json.WriteBoolean("allow", bundle.Security.Privileged);
        json.WriteString("access", "rwm");
        json.WriteEndObject();
        json.WriteEndArray();
        if (resources.MemoryLimitBytes is { } memory)
        {
            json.WriteStartObject("memory");
            json.WriteNumber("limit", memory);
            json.WriteNumber("swap", memory);
            json.WriteEndObject();
        }
        json.WriteStartObject("cpu");
        if (resources.CpuShares is { } shares)
            json.WriteNumber("shares", Math.Clamp(shares, 2, 262_144));
        if (resources.CpuQuota is { } quota)
            json.WriteNumber("quota", quota);
        if (resources.CpuPeriod is { } period)
            json.WriteNumber("period", period);
        if (resources.CpusetCpus.Length > 0)
            json.WriteString("cpus", resources.CpusetCpus);
        if (resources.CpusetMems.Length > 0)
            json.WriteString("mems", resources.CpusetMems);
        json.WriteEndObject();
        if (resources.PidsLimit is { } pids)
        {
            json.WriteStartObject("pids");
            json.WriteNumber("limit", pids > 0 ? pids : -1);
            json.WriteEndObject();
        }
        if (bundle.LimitsHugePages && resources.HugepageLimits.Count > 0)
        {
            json.WriteStartArray("hugepageLimits");
            foreach (var (size, limit) in resources.HugepageLimits.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            {
                json.WriteStartObject();
                json.WriteString("pageSize", size);
                json.WriteNumber("limit", limit);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        if (bundle.IsUnified && resources.MemoryLimitBytes is not null)
        {
            // The kubelet's choice since 1.28: a container that runs out of memory ends as a whole.
            json.WriteStartObject("unified");
            json.WriteString("memory.oom.group", "1");
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    private static void WriteMachineDevices(Utf8JsonWriter json)
    {
        json.WriteStartArray("devices");
        foreach (var path in MachineDevices("/dev").Order(StringComparer.Ordinal))
        {
            if (FileSystems.Device(path) is not { } device)
                continue;
            json.WriteStartObject();
            json.WriteString("path", path);
            json.WriteString("type", device.Type.ToString(CultureInfo.InvariantCulture));
            json.WriteNumber("major", device.Major);
            json.WriteNumber("minor", device.Minor);
            json.WriteNumber("fileMode", device.Mode);
            json.WriteNumber("uid", device.Uid);
            json.WriteNumber("gid", device.Gid);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static IEnumerable<string> MachineDevices(string directory)
    {
        foreach (var entry in new DirectoryInfo(directory).EnumerateFileSystemInfos())
        {
            if (entry.LinkTarget is not null)
                continue;
            if (entry is not DirectoryInfo)
            {
                // The container's own terminal and multiplexer, and the console of the machine, stay what they are.
                if (entry.FullName is not ("/dev/console" or "/dev/ptmx"))
                    yield return entry.FullName;
            }
            else if (entry.Name is not ("pts" or "shm" or "fd" or "mqueue" or ".udev" or ".lxc" or ".lxd-mounts"))
            {
                foreach (var below in MachineDevices(entry.FullName))
                    yield return below;
            }
        }
    }

    private static void Strings(Utf8JsonWriter json, string name, IReadOnlyList<string> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
            json.WriteStringValue(value);
        json.WriteEndArray();
    }
}
