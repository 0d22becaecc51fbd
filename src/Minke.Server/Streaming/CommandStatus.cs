using System.Globalization;
using System.Text;
using Minke.Api;
using Minke.Api.Meta.V1;

namespace Minke.Server.Streaming;

/// <summary>How a command ended, as the error stream says it (<c>k8s.io/apimachinery/pkg/util/remotecommand</c>).</summary>
internal static class CommandStatus
{
    public static Status Success { get; } = new() { StatusValue = "Success" };

    public static Status Exited(int exitCode, IReadOnlyList<string> command)
    {
        // Clients parse it as 8 bits; what does not fit must not turn into a success.
        var code = exitCode is >= 0 and <= 255 ? exitCode : 255;
        return code == 0 ? Success : new Status
        {
            StatusValue = "Failure",
            Reason = "NonZeroExitCode",
            Message = string.Create(CultureInfo.InvariantCulture,
                $"command terminated with non-zero exit code: error executing command [{string.Join(' ', command)}], exit code {code}"),
            Details = new() { Causes = [new StatusCause { Reason = "ExitCode", Message = code.ToString(CultureInfo.InvariantCulture) }] },
        };
    }

    public static Status Failed(string message) => StatusException.InternalError(message).Status;

    /// <summary>Empty when nothing is to be said.</summary>
    public static ReadOnlyMemory<byte> Encode(Status status, bool asStatus)
    {
        if (!asStatus)
            return status.StatusValue == "Success" ? default : Encoding.UTF8.GetBytes(status.Message);
        // The kubelet writes it without kind and apiVersion, so that is how clients know it.
        var json = Json.Write(status);
        if (!json.AsSpan().StartsWith(TypeMeta))
            return json;
        json[TypeMeta.Length - 1] = (byte)'{';
        return json.AsMemory(TypeMeta.Length - 1);
    }

    private static ReadOnlySpan<byte> TypeMeta => """{"kind":"Status","apiVersion":"v1","""u8;
}
