using Minke.Api;
using Minke.Server.Access;
using Minke.Server.Audit;
using Minke.Store;

namespace Minke.Server.Registry;

/// <summary>Who writes, how, and what they should be told beside the answer.</summary>
internal sealed class WriteContext
{
    public required UserInfo User { get; init; }

    /// <summary>Everything is checked and answered as if, nothing is stored.</summary>
    public bool IsDryRun { get; init; }

    /// <summary>Who will own the fields that are written.</summary>
    public string FieldManager { get; init; } = "";

    /// <summary>The subresource that the request names, also where it is the object itself that is then updated: its scale.</summary>
    public string Subresource { get; init; } = "";

    /// <summary>The manager as the request names it; empty when it leaves it to be guessed.</summary>
    public string AskedManager { get; init; } = "";

    /// <summary>How the request wants unknown fields to be met; empty for the usual way.</summary>
    public string FieldValidation { get; init; } = "";

    /// <summary>Admission has seen it in the form it was asked for: an eviction is no deletion to it.</summary>
    public bool IsAdmitted { get; init; }

    /// <summary>One of many writes of a request that names none of them.</summary>
    public bool IsOfCollection { get; init; }

    /// <summary>The change says itself who owns what: an apply.</summary>
    public bool HasFinalManagers { get; init; }

    /// <summary>Throws 403 when who writes may not create: asked before an update or an apply makes a new object. Null for whom nobody asks.</summary>
    public Action? CheckMayCreate { get; init; }

    /// <summary>Texts of <c>Warning</c> headers.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>What is recorded of the request; null when nothing is.</summary>
    public AuditRecord? Audit { get; init; }
}

/// <summary>The outcome of a write.</summary>
/// <param name="Object">As it is now, in the served kind; as it last was when removed.</param>
/// <param name="Entry">As it is stored; null after a dry run or a removal.</param>
/// <param name="IsCreated">A PUT that made a new object.</param>
/// <param name="IsRemoved">The object is gone.</param>
internal readonly record struct Written(IKubeObject Object, Entry? Entry, bool IsCreated = false, bool IsRemoved = false);
