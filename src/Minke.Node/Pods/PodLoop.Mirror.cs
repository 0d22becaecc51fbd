using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;

namespace Minke.Node.Pods;

/// <summary>A static pod's stand-in in the API: made by this node, shows the status, and means nothing when it is deleted.</summary>
internal sealed partial class PodLoop
{
    private const string MirrorWork = "mirror";

    private Pod? _mirror;

    /// <summary>A static pod without its mirror has nowhere to tell its status.</summary>
    private bool IsOnlyHere => _pod.IsStatic && _mirror is null;

    /// <summary>Uid of the object in the API.</summary>
    private string ApiUid => _mirror?.Metadata.Uid ?? Uid;

    /// <summary>The mirror as the API has it, or null when there is none.</summary>
    public void SetMirror(Pod? mirror) => Post(() =>
    {
        if (mirror is not null && (_mirror is null || IsNewer(mirror, _mirror)))
            _published = mirror.Status;
        _mirror = mirror;
    });

    private void SyncMirror()
    {
        if (!_pod.IsStatic || _isRemoved || _stage == Stage.Gone)
            return;
        if (_mirror is null)
        {
            Begin(MirrorWork, CreateMirrorAsync, _lifetime);
            return;
        }
        // Deleted by somebody, or of an older manifest: it is made anew.
        var isOutdated = _mirror.Metadata.Annotations.GetValueOrDefault(PodLabels.ConfigMirror) != _pod.Metadata.Annotations.GetValueOrDefault(PodLabels.ConfigHash);
        if (!isOutdated && _mirror.Metadata.DeletionTimestamp is null)
            return;
        var outdated = _mirror;
        Begin(MirrorWork, async cancellationToken =>
        {
            await _api.DeleteAsync<Pod>(outdated.Metadata.Namespace, outdated.Metadata.Name, new DeleteOptions
            {
                GracePeriodSeconds = 0,
                Preconditions = new Minke.Api.Meta.V1.Preconditions { Uid = outdated.Metadata.Uid },
            }, cancellationToken);
            return () =>
            {
                if (ReferenceEquals(_mirror, outdated))
                    _mirror = null;
            };
        }, _lifetime);
    }

    private async Task<Action> CreateMirrorAsync(CancellationToken cancellationToken)
    {
        var node = await _api.TryGetAsync<Minke.Api.Core.V1.Node>(null, _node.NodeName, cancellationToken);
        var hash = _pod.Metadata.Annotations.GetValueOrDefault(PodLabels.ConfigHash) ?? "";
        var mirror = await _api.CreateAsync(_pod with
        {
            Metadata = new ObjectMeta
            {
                Name = _pod.Metadata.Name,
                Namespace = _pod.Metadata.Namespace,
                Labels = _pod.Metadata.Labels,
                Annotations = _pod.Metadata.Annotations.With(PodLabels.ConfigMirror, hash),
                OwnerReferences = node is null ? default : (ApiList<OwnerReference>)[new OwnerReference
                {
                    ApiVersion = "v1",
                    Kind = "Node",
                    Name = node.Metadata.Name,
                    Uid = node.Metadata.Uid,
                    Controller = true,
                }],
            },
            Status = PodStatus.Empty,
        }, cancellationToken);
        return () =>
        {
            _mirror = mirror;
            _published = mirror.Status;
            Succeeded(MirrorWork);
        };
    }
}
