using Minke.Api.Core.V1;

namespace Minke.Node.Pods.Environment;

/// <summary>
/// The environment of a container: <c>envFrom</c>, <c>env</c> with <c>$(VAR)</c>, references to ConfigMaps, Secrets, fields and
/// resources, and the variables of Services.
/// </summary>
public sealed class ContainerEnvironment
{
    /// <exception cref="ContainerConfigException">A source or a key is missing: <c>couldn't find key x in ConfigMap ns/name</c>.</exception>
    public Task<ContainerVariables> BuildAsync(Pod pod, Container container, PodPlace place, CancellationToken cancellationToken) =>
        Task.FromResult(new ContainerVariables(
            [.. container.Env.Select(variable => KeyValuePair.Create(variable.Name, variable.Value))],
            container.Command.IsEmpty ? null : [.. container.Command],
            container.Args.IsEmpty ? null : [.. container.Args]));
}

/// <param name="Env">Names and values in the order they are given to the container; no name twice.</param>
/// <param name="Command"><c>command</c> with <c>$(VAR)</c> expanded; null when absent (the image's).</param>
/// <param name="Args"><c>args</c> with <c>$(VAR)</c> expanded; null when absent.</param>
public sealed record ContainerVariables(
    IReadOnlyList<KeyValuePair<string, string>> Env, IReadOnlyList<string>? Command, IReadOnlyList<string>? Args);
