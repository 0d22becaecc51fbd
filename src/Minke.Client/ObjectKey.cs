using Minke.Api;

namespace Minke.Client;

/// <summary>Namespace and name of an object; the namespace is empty for cluster-scoped kinds.</summary>
public readonly record struct ObjectKey(string Namespace, string Name) : IComparable<ObjectKey>
{
    public static ObjectKey Of(IKubeObject value) => new(value.Metadata.Namespace, value.Metadata.Name);

    public int CompareTo(ObjectKey other) =>
        string.CompareOrdinal(Namespace, other.Namespace) is var order and not 0 ? order : string.CompareOrdinal(Name, other.Name);

    public static bool operator <(ObjectKey a, ObjectKey b) => a.CompareTo(b) < 0;
    public static bool operator >(ObjectKey a, ObjectKey b) => a.CompareTo(b) > 0;
    public static bool operator <=(ObjectKey a, ObjectKey b) => a.CompareTo(b) <= 0;
    public static bool operator >=(ObjectKey a, ObjectKey b) => a.CompareTo(b) >= 0;

    public override string ToString() => Namespace.Length == 0 ? Name : Namespace + "/" + Name;
}
