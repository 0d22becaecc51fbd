using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Minke.Node.Pods;

/// <summary>What the node's object says of the machine below it.</summary>
public sealed record NodeMachine
{
    public required int CpuCount { get; init; }
    public required long MemoryBytes { get; init; }

    /// <summary>Bytes of the file system the node's files are on.</summary>
    public required long DiskBytes { get; init; }

    /// <summary>Addresses the node is reached at, the primary one first.</summary>
    public IReadOnlyList<string> Addresses { get; init; } = [];
    public string Hostname { get; init; } = "";
    public string MachineId { get; init; } = "";
    public string SystemUuid { get; init; } = "";
    public string BootId { get; init; } = "";
    public string KernelVersion { get; init; } = "";
    public string OsImage { get; init; } = "";

    /// <summary>Go's name: <c>amd64</c>, <c>arm64</c>.</summary>
    public string Architecture { get; init; } = "amd64";

    /// <summary>The machine this process runs on.</summary>
    public static NodeMachine Read(string dataDirectory, IReadOnlyList<string>? addresses = null) => new()
    {
        CpuCount = System.Environment.ProcessorCount,
        MemoryBytes = MemoryInfo("MemTotal"),
        DiskBytes = DiskOf(dataDirectory),
        Addresses = addresses is { Count: > 0 } ? addresses : FindAddresses(),
        Hostname = Dns.GetHostName().ToLowerInvariant(),
        MachineId = ReadLine("/etc/machine-id"),
        SystemUuid = ReadLine("/sys/class/dmi/id/product_uuid") is { Length: > 0 } uuid ? uuid : ReadLine("/etc/machine-id"),
        BootId = ReadLine("/proc/sys/kernel/random/boot_id"),
        KernelVersion = ReadLine("/proc/sys/kernel/osrelease"),
        OsImage = OsRelease("PRETTY_NAME"),
        Architecture = RuntimeInformation.OSArchitecture switch
        {
            System.Runtime.InteropServices.Architecture.X64 => "amd64",
            System.Runtime.InteropServices.Architecture.Arm64 => "arm64",
            var other => other.ToString().ToLowerInvariant(),
        },
    };

    /// <summary>Bytes of one line of /proc/meminfo.</summary>
    public static long MemoryInfo(string name)
    {
        foreach (var line in File.ReadLines("/proc/meminfo"))
        {
            if (line.StartsWith(name, StringComparison.Ordinal) && line.Length > name.Length && line[name.Length] == ':')
                return long.Parse(line[(name.Length + 1)..].Trim().Split(' ')[0], CultureInfo.InvariantCulture) * 1024;
        }
        return 0;
    }

    private static long DiskOf(string directory)
    {
        Directory.CreateDirectory(directory);
        return new DriveInfo(directory).TotalSize;
    }

    /// <summary>Addresses of the interfaces that lead somewhere; loopback when there is none.</summary>
    private static List<string> FindAddresses()
    {
        var found = NetworkInterface.GetAllNetworkInterfaces()
            .Where(one => one.OperationalStatus == OperationalStatus.Up && one.NetworkInterfaceType != NetworkInterfaceType.Loopback)
            .Select(one => one.GetIPProperties())
            .OrderByDescending(properties => properties.GatewayAddresses.Count > 0)
            .SelectMany(properties => properties.UnicastAddresses)
            .Select(address => address.Address)
            .Where(address => address.AddressFamily == AddressFamily.InterNetwork)
            .Select(address => address.ToString()).Take(1).ToList();
        return found.Count > 0 ? found : ["127.0.0.1"];
    }

    private static string OsRelease(string name)
    {
        if (!File.Exists("/etc/os-release"))
            return "Linux";
        var line = File.ReadLines("/etc/os-release").FirstOrDefault(line => line.StartsWith(name + "=", StringComparison.Ordinal));
        return line is null ? "Linux" : line[(name.Length + 1)..].Trim('"');
    }

    private static string ReadLine(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllText(path).Trim() : "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
