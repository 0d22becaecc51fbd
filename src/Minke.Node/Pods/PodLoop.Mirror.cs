using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;

namespace Minke.Node.Pods;

/// <summary>A static pod's stand-in in the API: made by this node, shows the status, and means nothing when it is deleted.</summary>
internal sealed partial class PodLoop
{
    private const string MirrorWork = "mirror";

    private Pod? _mirror;

    /// <summary>The mirror last seen to go: an answer about it that comes late does not bring it back.</summary>
    private string _goneMirror = "";

    /// <summary>A static pod without its mirror has nowhere to tell its status.</summary>
    private bool IsOnlyHere => _pod.IsStatic && _mirror is null;

    /// <summary>Uid of the object in the API.</summary>
    private string ApiUid => _mirror?.Metadata.Uid ?? Uid;

    /// <summary>The mirror as the watch shows it. Our own writes may have been answered before: what is older tells nothing.</summary>
    public void SeeMirror(Pod mirror) => Post(() => LearnMirror(mirror));

    /// <summary>The mirror of a uid is gone from the API.</summary>
    public void LoseMirror(string uid) => Post(() => ForgetMirror(uid));

    private void LearnMirror(Pod mirror)
    {
        // The manifest may have a successor by now, whose mirror has the same name.
        var isAnothers = _isRemoved && !IsOfThisManifest(mirror);
        if (isAnothers || mirror.Metadata.Uid == _goneMirror || (_mirror is not null && !IsNewer(mirror, _mirror)))
            return;
        _mirror = mirror;
        _published = mirror.Status;
    }

    private bool IsOfThisManifest(Pod mirror) =>
        mirror.Metadata.Annotations.GetValueOrDefault(PodLabels.ConfigMirror) == _pod.Metadata.Annotations.GetValueOrDefault(PodLabels.ConfigHash);

    private void ForgetMirror(string uid)
    {
        _goneMirror = uid;
        if (_mirror?.Metadata.Uid == uid)
            _mirror = null;
    }

    private void SyncMirror()
    {
        if (!_pod.IsStatic || _isRemoved || _stage == Stage.Gone)
            return;
        if (_mirror is not { } mirror)
        {
            Begin(MirrorWork, CreateMirrorAsync, _lifetime);
            return;
        }
        // Deleted by somebody, or of an older manifest: it is made anew.
        if (!IsOfThisManifest(mirror) || mirror.Metadata.DeletionTimestamp is not null)
            Begin(MirrorWork, cancellationToken => DeleteMirrorAsync(mirror, cancellationToken), _lifetime);
    }

    private async Task<Action> DeleteMirrorAsync(Pod mirror, CancellationToken cancellationToken)
    {
        try
        {
            await _api.DeleteAsync<Pod>(mirror.Metadata.Namespace, mirror.Metadata.Name, new DeleteOptions
            {
                GracePeriodSeconds = 0,
                Preconditions = new Minke.Api.Meta.V1.Preconditions { Uid = mirror.Metadata.Uid },
            }, cancellationToken);
        }
        catch (StatusException e) when (e.Code is 404 or 409)
        {
            // Gone already, or another of its name is there, which the watch will show.
        }
        return () =>
        {
            ForgetMirror(mirror.Metadata.Uid);
            Succeeded(MirrorWork);
        };
    }

    /// <summary>A status was written. The mirror may have been deleted, or made anew, while the answer was on its way.</summary>
    private void WroteMirror(PodStatus status, Pod on, Pod? written)
    {
        if (_mirror?.Metadata.Uid != on.Metadata.Uid || (written is not null && !IsNewer(written, _mirror)))
            return;
        _mirror = written ?? _mirror;
        _published = status;
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
            LearnMirror(mirror);
            Succeeded(MirrorWork);
        };
    }
}
