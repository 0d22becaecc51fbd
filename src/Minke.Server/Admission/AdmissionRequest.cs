using Minke.Api;
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

/// <summary>One write on its way through admission.</summary>
internal sealed class AdmissionRequest
{
    public required Resource Resource { get; init; }

    /// <summary>Empty for the object itself.</summary>
    public string Subresource { get; init; } = "";

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

    public bool IsCreate => Operation == AdmissionOperation.Create;
    public bool IsUpdate => Operation == AdmissionOperation.Update;
    public bool IsDelete => Operation == AdmissionOperation.Delete;
    public KindInfo Kind => Resource.Kind;

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
}
