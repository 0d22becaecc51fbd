using Minke.Api;

namespace Minke.Server.Admission.PodSecurity;

/// <summary>What a pod does that its profile does not allow.</summary>
/// <param name="Reason">A few words, the same for every pod.</param>
/// <param name="Detail">Who does it, and what.</param>
internal readonly record struct Violation(string Reason, string Detail)
{
    public override string ToString() => Detail.Length == 0 ? Reason : $"{Reason} ({Detail})";
}

/// <summary>The phrases that all checks share.</summary>
internal static class Phrases
{
    public static string Quoted(IEnumerable<string> names) => string.Join(", ", names.Select(FieldErrors.Quote));

    public static string Plural(int count, string one, string many) => count == 1 ? one : many;

    /// <summary><c>container "a"</c>, <c>containers "a", "b"</c>.</summary>
    public static string Containers(IReadOnlyList<string> names) => $"{Plural(names.Count, "container", "containers")} {Quoted(names)}";

    /// <summary><c>pod and container "a"</c>: who set something wrong; empty for nobody.</summary>
    public static string Setters(bool isPod, IReadOnlyList<string> containers) => (isPod, containers.Count > 0) switch
    {
        (true, true) => "pod and " + Containers(containers),
        (true, false) => "pod",
        (false, true) => Containers(containers),
        _ => "",
    };
}
