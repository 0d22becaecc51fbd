using Minke.Cli.Clusters;
using Minke.Cli.Kubeconfigs;

namespace Minke.Cli.Verbs;

/// <summary><c>minke kubeconfig</c>: prints the way in, or adds it to the user's own file.</summary>
internal sealed class KubeconfigVerb(Terminal terminal)
{
    public sealed record Options(DataDirectory Data, bool Merge, bool Use, string ContextName);

    public async Task<int> RunAsync(Options options, CancellationToken cancellationToken)
    {
        var kubeconfig = UpVerb.KubeconfigOf(options.Data) with { Name = options.ContextName };
        if (!options.Merge)
        {
            terminal.Out.Write(kubeconfig.ToString());
            return 0;
        }
        var passwd = File.Exists("/etc/passwd") ? await File.ReadAllTextAsync("/etc/passwd", cancellationToken) : "";
        var file = new KubeconfigFile(InvokingUser.From(Environment.GetEnvironmentVariable, passwd, Environment.IsPrivilegedProcess));
        var isCurrent = await file.MergeAsync(kubeconfig, options.Use, cancellationToken);
        terminal.Out.WriteLine($"context \"{kubeconfig.Name}\" is in {file.Path}");
        terminal.Out.WriteLine(isCurrent ? "  kubectl get pods -A" : $"  kubectl --context {kubeconfig.Name} get pods -A");
        return 0;
    }
}
