using Minke.Binary;
using Minke.Binary.Features;

namespace Minke.Clients;

/// <summary>Runs the scripts beside this project as their author would: a kubeconfig in the environment, a namespace as argument.</summary>
internal static class Scripts
{
    private static string Root { get; } = Path.Combine(Machine.RepositoryRoot(), "tests", "Minke.Clients");

    // Debian's own interpreters: others on the path do not have Debian's packages.
    public static Task<string> PythonAsync(Space space, string script, params string[] more) => RunAsync(space, "/usr/bin/python3", "python", script, more);

    public static Task<string> RubyAsync(Space space, string script, params string[] more) => RunAsync(space, "/usr/bin/ruby", "ruby", script, more);

    public static Task<string> JavaScriptAsync(Space space, string script, params string[] more) => RunAsync(space, "node", "javascript", script, more);

    private static async Task<string> RunAsync(Space space, string interpreter, string directory, string script, string[] more)
    {
        var result = await space.Cluster.Machine.RunAsync(interpreter, [Path.Combine(Root, directory, script), space.Name, .. more], null,
            new Dictionary<string, string> { ["KUBECONFIG"] = space.Cluster.Kubeconfig, ["PYTHONUNBUFFERED"] = "1" });
        return result.Text.TrimEnd();
    }
}
