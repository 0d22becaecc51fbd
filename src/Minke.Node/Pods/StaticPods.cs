using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Node.Linux;

namespace Minke.Node.Pods;

/// <summary>
/// Pods of this node's own directory: one manifest a file, run whether or not there is an API, shown there by a mirror pod (kubelet:
/// config/file.go and config/common.go).
/// </summary>
internal sealed partial class StaticPods(NodeSettings settings, PodLoops pods, Func<byte[], Pod> read, ILogger logger)
{
    private readonly Dictionary<string, Pod> _byFile = new(StringComparer.Ordinal);

    /// <summary>Keeps to the directory until cancelled. Files beginning with a dot do not count.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (settings.StaticPodDirectory.Length == 0)
            return;
        Directory.CreateDirectory(settings.StaticPodDirectory);
        try
        {
            using var poller = new Poller();
            using var changes = Inotify.OfChanges(poller, settings.StaticPodDirectory);
            Scan();
            await foreach (var _ in changes.NamesAsync(cancellationToken))
                Scan();
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
    }

    /// <summary>Takes up the pods there are: before the node looks for containers that belong to no pod.</summary>
    public void ScanFirst()
    {
        if (settings.StaticPodDirectory.Length > 0 && Directory.Exists(settings.StaticPodDirectory))
            Scan();
    }

    /// <summary>Brings the pods in line with the files as they are now.</summary>
    internal void Scan()
    {
        var files = Directory.EnumerateFiles(settings.StaticPodDirectory).Where(file => Path.GetFileName(file)[0] != '.').Order(StringComparer.Ordinal).ToList();
        foreach (var gone in _byFile.Keys.Except(files).ToList())
        {
            _byFile.Remove(gone, out var pod);
            pods.Removed(pod!.Uid);
        }
        foreach (var file in files)
        {
            try
            {
                var pod = Complete(Defaulted(read(File.ReadAllBytes(file))), file);
                Validate(pod);
                if (_byFile.TryGetValue(file, out var old) && old.Uid == pod.Uid)
                    continue;
                if (old is not null)
                    pods.Removed(old.Uid);
                _byFile[file] = pod;
                pods.Seen(pod);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or StatusException or JsonReadException)
            {
                LogUnreadable(file, e.Message);
            }
        }
    }

    private static Pod Defaulted(Pod pod) => (Pod)KindBehaviors.For(Pod.KindInfo).Default(pod.WithConstantDefaults());

    private Pod Complete(Pod pod, string file)
    {
        // The same manifest on the same node is the same pod: it is found again after a restart.
        var hash = Convert.ToHexStringLower(MD5Like(Encoding.UTF8.GetBytes($"host:{settings.NodeName}file:{file}{Encoding.UTF8.GetString(Json.Write(pod))}")));
        var annotations = pod.Metadata.Annotations
            .With(PodLabels.ConfigHash, hash)
            .With(PodLabels.ConfigSource, "file");
        return pod with
        {
            Metadata = pod.Metadata with
            {
                Name = $"{pod.Metadata.Name}-{settings.NodeName}",
                Namespace = pod.Metadata.Namespace.Length > 0 ? pod.Metadata.Namespace : "default",
                Uid = hash,
                Annotations = annotations,
            },
            Spec = pod.Spec with
            {
                NodeName = settings.NodeName,
                // A static pod stays whatever the node's taints say.
                Tolerations = pod.Spec.Tolerations.Add(new Toleration { Operator = TolerationOperator.Exists, Effect = TaintEffect.NoExecute }),
            },
            Status = PodStatus.Empty,
        };
    }

    /// <summary>The API has not seen it: a name may become a path only after this.</summary>
    /// <exception cref="StatusException">What is wrong with it.</exception>
    private static void Validate(Pod pod)
    {
        var errors = new FieldErrors();
        KindBehaviors.For(Pod.KindInfo).Validate(pod, null, errors);
        if (errors.Count > 0)
            throw StatusException.Invalid(Pod.KindInfo, pod.Metadata.Name, errors);
    }

    /// <summary>As long as upstream's MD5, of a hash that every machine permits.</summary>
    private static byte[] MD5Like(byte[] text) => SHA256.HashData(text)[..16];

    [LoggerMessage(LogLevel.Warning, "Static pod of {File} not read: {Error}")]
    private partial void LogUnreadable(string file, string error);
}
