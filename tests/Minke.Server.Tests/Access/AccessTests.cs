using System.Net.Http.Headers;
using System.Text.Json.Nodes;

namespace Minke.Server.Tests;

public sealed class AccessTests
{
    [Theory]
    [InlineData("/healthz", 200)]
    [InlineData("/readyz", 200)]
    [InlineData("/version", 200)]
    [InlineData("/api", 403)]
    [InlineData("/metrics", 403)]
    [InlineData("/api/v1/pods", 403)]
    public async Task Nobody_in_particular_may_ask_for_health_and_version(string path, int code)
    {
        await using var server = await TestServer.StartAsync();
        using var anonymous = server.ClientOf(null);
        (await server.SendAsync(HttpMethod.Get, path, client: anonymous)).Expect(code);
    }

    [Fact]
    public async Task A_certificate_names_a_user_who_may_ask_about_themselves_and_nothing_else()
    {
        await using var server = await TestServer.StartAsync();
        using var bob = server.ClientOf(server.Pki.IssueClient("bob", ["dev"], TimeSpan.FromHours(1)));
        var refused = (await server.SendAsync(HttpMethod.Get, "/api/v1/namespaces/default/pods", client: bob)).Expect(403);
        Assert.Equal("pods is forbidden: User \"bob\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"", refused.Message);
        (await server.SendAsync(HttpMethod.Get, "/apis", client: bob)).Expect(200);
        var self = (await server.SendAsync(HttpMethod.Post, "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}", client: bob)).Expect(201).Json;
        Assert.Equal("bob", self["status"]!["userInfo"]!["username"]!.GetValue<string>());
        Assert.Equal(["dev", "system:authenticated"], self["status"]!["userInfo"]!["groups"]!.AsArray().Select(group => group!.GetValue<string>()));
        var may = (await server.SendAsync(HttpMethod.Post, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            """{"spec":{"resourceAttributes":{"verb":"list","resource":"pods"}}}""", client: bob)).Expect(201).Json;
        Assert.False(may["status"]!["allowed"]!.GetValue<bool>());
    }

    [Fact]
    public async Task A_certificate_of_somebody_else_is_not_believed()
    {
        await using var server = await TestServer.StartAsync();
        await using var other = await TestServer.StartAsync();
        using var stranger = server.ClientOf(other.Pki.Admin);
        (await server.SendAsync(HttpMethod.Get, "/version", client: stranger)).Expect(401);
    }

    [Fact]
    public async Task A_service_accounts_token_names_it_until_the_account_is_gone()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync("/api/v1/namespaces/default/serviceaccounts", """{"metadata":{"name":"robot"}}""")).Expect(201);
        const string Tokens = "/api/v1/namespaces/default/serviceaccounts/robot/token";
        var answer = (await server.PostAsync(Tokens, """{"spec":{"expirationSeconds":600}}""")).Expect(201).Json;
        var token = answer["status"]!["token"]!.GetValue<string>();

        using var robot = server.ClientOf(null);
        robot.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        var self = (await server.SendAsync(HttpMethod.Post, "/apis/authentication.k8s.io/v1/selfsubjectreviews", "{}", client: robot)).Expect(201).Json;
        Assert.Equal("system:serviceaccount:default:robot", self["status"]!["userInfo"]!["username"]!.GetValue<string>());
        var review = (await server.PostAsync("/apis/authentication.k8s.io/v1/tokenreviews", $$"""{"spec":{"token":"{{token}}"} }""")).Expect(201).Json;
        Assert.True(review["status"]!["authenticated"]!.GetValue<bool>());

        Assert.Contains("spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes",
            (await server.PostAsync(Tokens, """{"spec":{"expirationSeconds":5}}""")).Expect(422).Message, StringComparison.Ordinal);
        (await server.DeleteAsync("/api/v1/namespaces/default/serviceaccounts/robot")).Expect(200);
        (await server.SendAsync(HttpMethod.Get, "/version", client: robot)).Expect(401);
        robot.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token[..^4] + "AAAA");
        (await server.SendAsync(HttpMethod.Get, "/version", client: robot)).Expect(401);
    }

    [Fact]
    public async Task A_token_bound_to_a_pod_dies_with_it()
    {
        await using var server = await TestServer.StartAsync();
        (await server.PostAsync("/api/v1/namespaces/default/pods", """{"metadata":{"name":"a"},"spec":{"containers":[{"name":"a","image":"x"}]}}""")).Expect(201);
        var token = (await server.PostAsync("/api/v1/namespaces/default/serviceaccounts/default/token",
            """{"spec":{"audiences":["me"],"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"a"}}}""")).Expect(201).Json["status"]!["token"]!.GetValue<string>();
        async Task<JsonNode> ReviewAsync() => (await server.PostAsync("/apis/authentication.k8s.io/v1/tokenreviews",
            $$"""{"spec":{"token":"{{token}}","audiences":["me"]} }""")).Expect(201).Json["status"]!;
        Assert.True((await ReviewAsync())["authenticated"]!.GetValue<bool>());
        (await server.DeleteAsync("/api/v1/namespaces/default/pods/a")).Expect(200);
        Assert.Null((await ReviewAsync())["authenticated"]);
    }
}
