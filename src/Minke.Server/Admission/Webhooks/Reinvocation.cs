using Minke.Api;

namespace Minke.Server.Admission.Webhooks;

/// <summary>
/// Whether what changes an object is asked a second time, and which webhooks then are: those that want to be when something was changed
/// after them. There are two rounds, never more.
/// </summary>
internal sealed class Reinvocation
{
    private readonly HashSet<string> _invoked = new(StringComparer.Ordinal);
    private readonly HashSet<string> _again = new(StringComparer.Ordinal);
    private IKubeObject? _output;

    /// <summary>Some webhook has changed the object.</summary>
    public bool IsNeeded { get; set; }

    /// <summary>It is the second round.</summary>
    public bool IsSecondRound { get; set; }

    /// <summary>Which webhooks have been called so far, where a second round may need them.</summary>
    public void Invoked(Webhook webhook)
    {
        if (webhook.IsReinvocable)
            _invoked.Add(webhook.Id);
    }

    /// <summary>The object has changed: who has seen it before sees it again.</summary>
    public void Changed()
    {
        _again.UnionWith(_invoked);
        _invoked.Clear();
    }

    public bool Wants(Webhook webhook) => !IsSecondRound || _again.Contains(webhook.Id);

    /// <summary>Before the webhooks' turn: the built-in plug-ins may have changed their outcome.</summary>
    public void Begin(IKubeObject? value)
    {
        if (IsSecondRound && !Json.Same(value, _output))
            Changed();
    }

    public void End(IKubeObject? value) => _output = value;
}
