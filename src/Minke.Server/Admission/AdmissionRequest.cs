using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.Admission.Webhooks;
using Minke.Server.Registry;

namespace Minke.Server.Admission;

/// <summary>What a write does to an object. The texts are those of AdmissionReview.</summary>
internal static class AdmissionOperation
{
    public const string Create = "CREATE";
    public const string Update = "UPDATE";
    public const string Delete = "DELETE";
    public const string Connect = "CONNECT";
}

/// <summary>One write on its way through admission; disposed when it has ended, one way or the other.</summary>
internal sealed class AdmissionRequest : IAsyncDisposable
{
    public required Resource Resource { get; init; }

    /// <summary>Empty for the object itself.</summary>
    public string Subresource { get; init; } = "";

    /// <summary>Of what is sent: another one than the resource's where a subresource has a body of its own.</summary>
    public KindInfo ObjectKind { get => field ?? Resource.Kind; init; }

    /// <summary>Of <see cref="AdmissionOperation"/>.</summary>
    public required string Operation { get; init; }

    /// <summary>Empty for what lives in the cluster.</summary>
    public required string Namespace { get; init; }

    /// <summary>Empty while the name is still to be generated.</summary>
    public required string Name { get; init; }

    /// <summary>As it would be written; plug-ins that change it set it anew. Null for a deletion.</summary>
    public IKubeObject? Object { get; set; }

    /// <summary>As it is stored; null for a creation.</summary>
    public IKubeObject? Old { get; init; }
    public required WriteContext Context { get; init; }

    /// <summary>How it is deleted; null for everything else.</summary>
    public DeleteOptions? Deletion { get; init; }

    /// <summary>One of many that a single request deletes: it named none.</summary>
    public bool IsOfCollection { get; init; }

    /// <summary>What the mutating webhooks of this request have done so far; null until there are any.</summary>
    public Reinvocation? Reinvocation { get; set; }

    /// <summary>The write got through.</summary>
    public bool IsWritten { get; set; }

    /// <summary>Is told at the end whether it did; set by a plug-in that has something to undo otherwise.</summary>
    public Func<bool, ValueTask>? Ended { get; set; }

    public ValueTask DisposeAsync() => Ended?.Invoke(IsWritten) ?? default;

    public bool IsCreate => Operation == AdmissionOperation.Create;
    public bool IsUpdate => Operation == AdmissionOperation.Update;
    public bool IsDelete => Operation == AdmissionOperation.Delete;
    public bool IsConnect => Operation == AdmissionOperation.Connect;
    public KindInfo Kind => Resource.Kind;
    public bool IsNamespace => Kind == Minke.Api.Core.V1.Namespace.KindInfo;

    /// <summary>As webhooks are told: requests about a namespace name it here too.</summary>
    public string ReviewedNamespace => !IsNamespace ? Namespace : Name.Length > 0 ? Name : Object?.Metadata.Name ?? "";

    /// <summary>The name to blame before one was generated.</summary>
    public string ShownName => Name.Length > 0 ? Name : Object?.Metadata.GenerateName is { Length: > 0 } prefix ? prefix : "Unknown";

    /// <summary>True for the creation of an object of this kind itself, which it hands out.</summary>
    public bool Creates<T>(out T value) where T : class, IKubeObject
    {
        value = (Object as T)!;
        return IsCreate && Subresource.Length == 0 && value is not null;
    }

    /// <summary>403 in the words of upstream's <c>admission.NewForbidden</c>.</summary>
    public StatusException Forbidden(string why) => StatusException.Forbidden(Kind, ShownName, why);

    /// <summary>The same request as somebody sees it to whom another version of the resource is shown.</summary>
    public AdmissionRequest As(Resource resource, IKubeObject? value, IKubeObject? old) => new()
    {
        Resource = resource,
        Subresource = Subresource,
        ObjectKind = ReferenceEquals(ObjectKind, Kind) ? resource.Kind : ObjectKind,
        Operation = Operation,
        Namespace = Namespace,
        Name = Name,
        Object = value,
        Old = old,
        Context = Context,
        Deletion = Deletion,
        IsOfCollection = IsOfCollection,
    };
}
