namespace Minke.Server.Tests.Admission;

/// <summary>A server and a server of webhooks, and configurations that join them.</summary>
public abstract class HookTest : IAsyncLifetime
{
    private protected const string ConfigMaps = "/api/v1/namespaces/default/configmaps";

    private protected TestServer Server { get; private set; } = null!;
    private protected HookServer Hooks { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Hooks = await HookServer.StartAsync("hooks.default.svc");
        Server = await TestServer.StartAsync(change: Change);
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await Hooks.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected virtual ApiServerOptions Change(ApiServerOptions options) => options;

    private protected static string PathOf(string kind) => $"/apis/admissionregistration.k8s.io/v1/{kind.ToLowerInvariant()}webhookconfigurations";

    private protected async Task MutatingAsync(string name, params string[] hooks) => await ConfigureAsync("Mutating", name, hooks);

    private protected async Task ValidatingAsync(string name, params string[] hooks) => await ConfigureAsync("Validating", name, hooks);

    private async Task ConfigureAsync(string kind, string name, string[] hooks) => (await Server.PostAsync(PathOf(kind), $$"""
        {"apiVersion":"admissionregistration.k8s.io/v1","kind":"{{kind}}WebhookConfiguration","metadata":{"name":"{{name}}"},"webhooks":[{{string.Join(',', hooks)}}]}
        """)).Expect(201);

    private protected static string ConfigMap(string name, string more = "") => $$$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"{{{name}}}"{{{more}}}},"data":{"k":"v"}}""";

    private protected static string OnConfigMaps(string operations = "CREATE") => HookServer.Rule(operations, "", "configmaps");
}
