using System.Collections.Immutable;
using Minke.Api;
using Minke.Api.Rbac.V1;

namespace Minke.Server.Access.Rbac;

/// <summary>A binding of either kind.</summary>
/// <param name="Namespace">Empty for the whole cluster.</param>
/// <param name="Name">Of the binding.</param>
/// <param name="RoleRef">What it gives.</param>
/// <param name="Subjects">To whom.</param>
internal sealed record Binding(string Namespace, string Name, RoleRef RoleRef, ApiList<Subject> Subjects)
{
    public static Binding Of(RoleBinding binding) => new(binding.Metadata.Namespace, binding.Metadata.Name, binding.RoleRef, binding.Subjects);

    public static Binding Of(ClusterRoleBinding binding) => new("", binding.Metadata.Name, binding.RoleRef, binding.Subjects);

    /// <summary>A user's or group's key in an index of subjects; null for a subject nobody can be.</summary>
    public string? KeyOf(Subject subject) => subject.Kind switch
    {
        "User" => "u:" + subject.Name,
        "Group" => "g:" + subject.Name,
        "ServiceAccount" when (subject.Namespace.Length > 0 ? subject.Namespace : Namespace) is { Length: > 0 } place =>
            $"u:system:serviceaccount:{place}:{subject.Name}",
        _ => null,
    };

    /// <summary>As upstream prints it; name before namespace is its order.</summary>
    public string Describe(Subject subject)
    {
        var whom = subject.Kind == "ServiceAccount"
            ? $"{subject.Name}/{(subject.Namespace.Length > 0 ? subject.Namespace : Namespace)}"
            : subject.Name;
        var (kind, name) = Namespace.Length == 0 ? ("ClusterRoleBinding", Name) : ("RoleBinding", $"{Name}/{Namespace}");
        return $"{kind} \"{name}\" of {RoleRef.Kind} \"{RoleRef.Name}\" to {subject.Kind} \"{whom}\"";
    }
}

/// <summary>The bindings of one place by user and group. Immutable.</summary>
internal sealed class Grants
{
    public static Grants None { get; } = new(ImmutableDictionary.Create<string, ImmutableSortedDictionary<string, Binding>>(StringComparer.Ordinal));

    private static readonly ImmutableSortedDictionary<string, Binding> NoBindings = ImmutableSortedDictionary.Create<string, Binding>(StringComparer.Ordinal);

    private readonly ImmutableDictionary<string, ImmutableSortedDictionary<string, Binding>> _bySubject;

    private Grants(ImmutableDictionary<string, ImmutableSortedDictionary<string, Binding>> bySubject) => _bySubject = bySubject;

    public bool IsEmpty => _bySubject.IsEmpty;

    public Grants With(Binding binding)
    {
        var bySubject = _bySubject;
        foreach (var subject in binding.Subjects)
        {
            if (binding.KeyOf(subject) is { } key)
                bySubject = bySubject.SetItem(key, bySubject.GetValueOrDefault(key, NoBindings).SetItem(binding.Name, binding));
        }
        return new(bySubject);
    }

    public Grants Without(Binding binding)
    {
        var bySubject = _bySubject;
        foreach (var subject in binding.Subjects)
        {
            if (binding.KeyOf(subject) is { } key && bySubject.TryGetValue(key, out var bindings))
                bySubject = bindings.Remove(binding.Name) is { IsEmpty: false } left ? bySubject.SetItem(key, left) : bySubject.Remove(key);
        }
        return new(bySubject);
    }

    /// <summary>What a user has, each binding once with the first of its subjects that the user is, by the bindings' names.</summary>
    public IEnumerable<(Binding Binding, Subject Subject)> Of(UserInfo user)
    {
        var keys = new HashSet<string>(StringComparer.Ordinal) { "u:" + user.Name };
        foreach (var group in user.Groups)
            keys.Add("g:" + group);
        return keys.SelectMany(key => _bySubject.GetValueOrDefault(key, NoBindings).Values)
            .DistinctBy(binding => binding.Name)
            .OrderBy(binding => binding.Name, StringComparer.Ordinal)
            .Select(binding => (binding, binding.Subjects.First(subject => binding.KeyOf(subject) is { } key && keys.Contains(key))));
    }
}
