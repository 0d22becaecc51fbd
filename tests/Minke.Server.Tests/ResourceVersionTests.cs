using System.Globalization;
using System.Text;

namespace Minke.Server.Tests;

/// <summary>What resourceVersion and resourceVersionMatch mean to get, list and watch, in all their combinations.</summary>
public sealed class ResourceVersionTests : IAsyncLifetime
{
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";
    private const string Future = "1000000";
    private const string TooLarge = "Timeout: Too large resource version: 1000000, current: ";

    private TestServer _server = null!;
    private string _first = ""; // when there was only a
    private string _second = ""; // when b had joined

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        (await _server.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Expect(201);
        _first = (await _server.GetAsync(ConfigMaps)).Version;
        (await _server.PostAsync(ConfigMaps, """{"metadata":{"name":"b"}}""")).Expect(201);
        _second = (await _server.GetAsync(ConfigMaps)).Version;
        (await _server.DeleteAsync(ConfigMaps + "/a")).Expect(200);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Theory]
    [InlineData("", "b", false)]
    [InlineData("resourceVersion=0", "b", false)]
    [InlineData("resourceVersion=FIRST", "b", false)]
    [InlineData("resourceVersion=0&resourceVersionMatch=NotOlderThan", "b", false)]
    [InlineData("resourceVersion=SECOND&resourceVersionMatch=NotOlderThan", "b", false)]
    [InlineData("resourceVersion=FIRST&resourceVersionMatch=Exact", "a", true)]
    [InlineData("resourceVersion=SECOND&resourceVersionMatch=Exact", "a b", true)]
    // With a limit, an exact revision was meant all along; only "not older" says otherwise.
    [InlineData("limit=5", "b", false)]
    [InlineData("limit=5&resourceVersion=FIRST", "a", true)]
    [InlineData("limit=5&resourceVersion=SECOND", "a b", true)]
    [InlineData("limit=5&resourceVersion=FIRST&resourceVersionMatch=NotOlderThan", "b", false)]
    [InlineData("limit=5&resourceVersion=FIRST&resourceVersionMatch=Exact", "a", true)]
    [InlineData("limit=5&resourceVersion=0", "b", false)]
    [InlineData("fieldSelector=metadata.name%3Da&resourceVersion=FIRST&resourceVersionMatch=Exact", "a", true)]
    public async Task A_list_is_as_new_as_was_asked(string query, string names, bool isExact)
    {
        var list = (await _server.GetAsync($"{ConfigMaps}?{Of(query)}")).Expect(200);
        Assert.Equal(names, string.Join(' ', list.Names));
        Assert.Equal(isExact, list.Version == (query.Contains("FIRST", StringComparison.Ordinal) ? _first : _second));
    }

    [Theory]
    [InlineData("resourceVersionMatch=Exact", "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")]
    [InlineData("resourceVersionMatch=NotOlderThan", "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided")]
    [InlineData("resourceVersion=0&resourceVersionMatch=Exact", "resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"")]
    [InlineData("resourceVersion=1&resourceVersionMatch=Roughly", "resourceVersionMatch: Unsupported value: \"Roughly\": supported values: \"Exact\", \"NotOlderThan\", \"\"")]
    [InlineData("resourceVersion=1&resourceVersionMatch=Exact&continue=x", "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided")]
    [InlineData("sendInitialEvents=false", "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list")]
    [InlineData("watch=1&resourceVersion=1&resourceVersionMatch=NotOlderThan", "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")]
    [InlineData("watch=1&sendInitialEvents=true", "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")]
    [InlineData("watch=1&sendInitialEvents=false", "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")]
    [InlineData("watch=1&sendInitialEvents=true&resourceVersion=1&resourceVersionMatch=Exact",
        "[resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan, resourceVersionMatch: Unsupported value: \"Exact\": supported values: \"NotOlderThan\"]")]
    public async Task Combinations_that_make_no_sense_are_invalid(string query, string message)
    {
        var reply = (await _server.GetAsync($"{ConfigMaps}?{query}")).Expect(422);
        Assert.Equal(("Invalid", $"ListOptions.meta.k8s.io \"\" is invalid: {message}"), (reply.Reason, reply.Message));
    }

    [Theory]
    [InlineData("/b?resourceVersion=" + Future)]
    [InlineData("?resourceVersion=" + Future)]
    [InlineData("?resourceVersion=" + Future + "&resourceVersionMatch=NotOlderThan")]
    [InlineData("?resourceVersion=" + Future + "&resourceVersionMatch=Exact")]
    public async Task The_future_is_waited_for_a_little_and_then_too_large(string path)
    {
        var reply = (await _server.GetAsync(ConfigMaps + path)).Expect(504);
        Assert.StartsWith(TooLarge, reply.Message, StringComparison.Ordinal);
        Assert.Equal(("Timeout", "ResourceVersionTooLarge"), (reply.Reason, reply.Json["details"]!["causes"]![0]!["reason"]!.GetValue<string>()));
        Assert.Equal(1, reply.Json["details"]!["retryAfterSeconds"]!.GetValue<int>());
    }

    [Fact]
    public async Task A_get_is_no_older_than_asked()
    {
        var next = (long.Parse(_server.Store.CurrentRevision.ToString(), CultureInfo.InvariantCulture) + 1).ToString(CultureInfo.InvariantCulture);
        var waiting = _server.GetAsync($"{ConfigMaps}/b?resourceVersion={next}");
        (await _server.PatchAsync(ConfigMaps + "/b", """{"data":{"k":"v"}}""")).Expect(200);
        Assert.Equal("v", (await waiting).Expect(200).Json["data"]!["k"]!.GetValue<string>());
        foreach (var version in (string[])["", "0", _first])
            Assert.Equal("v", (await _server.GetAsync($"{ConfigMaps}/b?resourceVersion={version}")).Expect(200).Json["data"]!["k"]!.GetValue<string>());
        (await _server.GetAsync($"{ConfigMaps}/a?resourceVersion={_first}")).Expect(404);
    }

    [Theory]
    [InlineData("watch=1", "ADDED b")]
    [InlineData("watch=1&resourceVersion=0", "ADDED b")]
    [InlineData("watch=1&resourceVersion=FIRST", "ADDED b;DELETED a")]
    [InlineData("watch=1&resourceVersion=SECOND", "DELETED a")]
    [InlineData("watch=1&resourceVersion=" + Future, "")]
    [InlineData("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true", "ADDED b;BOOKMARK ")]
    [InlineData("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=0", "ADDED b;BOOKMARK ")]
    [InlineData("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=FIRST", "ADDED b;BOOKMARK ")]
    [InlineData("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", "ADDED b")]
    [InlineData("watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", "")]
    [InlineData("watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=FIRST", "ADDED b;DELETED a")]
    public async Task A_watch_begins_where_it_was_asked_to(string query, string expected)
    {
        await using var watch = await Watch.OpenAsync(_server, $"{ConfigMaps}?{Of(query)}");
        foreach (var one in expected.Split(';', StringSplitOptions.RemoveEmptyEntries))
        {
            Assert.Equal(one, await watch.NextAsync());
            Assert.Equal(one.StartsWith("BOOKMARK", StringComparison.Ordinal), watch.Last["metadata"]!["annotations"]?["k8s.io/initial-events-end"]?.GetValue<string>() == "true");
        }
        (await _server.PostAsync(ConfigMaps, """{"metadata":{"name":"last"}}""")).Expect(201);
        if (!query.Contains(Future, StringComparison.Ordinal)) // What comes before that revision is not for this one.
            Assert.Equal("ADDED last", await watch.NextAsync());
    }

    [Theory]
    [InlineData("", "invalid continue token: continue key is not valid: unexpected end of JSON input")]
    [InlineData("%", "invalid continue token: continue key is not valid: illegal base64 data at input byte 0")]
    [InlineData("""{"v":"v9","rv":1,"start":"a"}""", "invalid continue token: continue key is not valid: server does not recognize this encoded version v9")]
    [InlineData("""{"v":"meta.k8s.io/v1","start":"a"}""", "invalid continue token: continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)")]
    [InlineData("""{"v":"meta.k8s.io/v1","rv":1}""", "invalid continue token: continue key is not valid: encoded start key empty (version meta.k8s.io/v1)")]
    [InlineData("""{"v":"meta.k8s.io/v1","rv":1,"start":"../secrets/x"}""", "invalid continue token: continue key is not valid: ../secrets/x")]
    public async Task A_token_that_was_never_given_is_refused(string token, string message)
    {
        var encoded = token == "%" ? "%25" : Convert.ToBase64String(Encoding.UTF8.GetBytes(token.Length == 0 ? "{" : token)).TrimEnd('=');
        Assert.Equal(message, (await _server.GetAsync($"{ConfigMaps}?limit=1&continue={encoded}")).Expect(400).Message);
    }

    [Fact]
    public async Task An_expired_token_comes_with_one_that_goes_on_as_things_are_now()
    {
        await using var server = await TestServer.StartAsync(store: new() { HistoryAge = TimeSpan.Zero, HistoryAtLeast = 1, HistoryAtMost = 10 });
        foreach (var name in (string[])["a", "b", "c"])
            (await server.PostAsync(ConfigMaps, $$"""{"metadata":{"name":"{{name}}"} }""")).Expect(201);
        var first = (await server.GetAsync(ConfigMaps + "?limit=1")).Expect(200);
        Assert.Equal(2, first.Json["metadata"]!["remainingItemCount"]!.GetValue<int>());
        var token = first.Json["metadata"]!["continue"]!.GetValue<string>();
        Assert.Equal("specifying resource version is not allowed when using continue",
            (await server.GetAsync($"{ConfigMaps}?limit=1&continue={token}&resourceVersion={first.Version}")).Expect(400).Message);
        var selected = (await server.GetAsync(ConfigMaps + "?limit=1&labelSelector=!x")).Expect(200);
        Assert.Null(selected.Json["metadata"]!["remainingItemCount"]); // Nobody counts what a selector would choose.
        Assert.NotNull(selected.Json["metadata"]!["continue"]);

        (await server.DeleteAsync(ConfigMaps + "/b")).Expect(200);
        var atFirst = long.Parse(first.Version, CultureInfo.InvariantCulture);
        for (var i = 0; i < 2_000 && server.Store.CompactedRevision.Value <= atFirst; i++)
            (await server.PatchAsync(ConfigMaps + "/c", $$"""{"data":{"k":"{{i}}"} }""")).Expect(200);

        var expired = (await server.GetAsync($"{ConfigMaps}?limit=1&continue={token}")).Expect(410);
        Assert.Equal(("Expired", "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, "
            + "or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - "
            + "objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list."), (expired.Reason, expired.Message));
        var rest = (await server.GetAsync($"{ConfigMaps}?limit=5&continue={expired.Json["metadata"]!["continue"]!.GetValue<string>()}")).Expect(200);
        Assert.Equal(["c"], rest.Names);
    }

    private string Of(string query) => query.Replace("FIRST", _first, StringComparison.Ordinal).Replace("SECOND", _second, StringComparison.Ordinal);
}
