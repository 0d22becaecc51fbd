namespace Minke.Server.Tests;

/// <summary>Fields that nobody knows or that stand twice, in every form that a write comes in: refused, told or dropped, as asked.</summary>
public sealed class FieldValidationTests : IAsyncLifetime
{
    private const string Templates = "/api/v1/namespaces/default/podtemplates";

    private const string Plain = """{"metadata":{"name":"a"},"template":{"spec":{"containers":[{"name":"c","image":"i"}]}}}""";

    private const string Json = """
        {"apiVersion":"v1","kind":"PodTemplate","metadata":{"name":"NAME"},"template":{"unknown":1,"spec":{"restartPolicy":"Always","restartPolicy":"Never",
         "containers":[{"name":"c","image":"i","unknownNested":"x","imagePullPolicy":"Always","imagePullPolicy":"Never"}]}}}
        """;

    private const string Yaml = """
        apiVersion: v1
        kind: PodTemplate
        metadata: {name: NAME}
        template:
          unknown: 1
          spec:
            restartPolicy: Always
            restartPolicy: Never
            containers:
              - name: c
                image: i
                unknownNested: x
                imagePullPolicy: Always
                imagePullPolicy: Never
        """;

    private const string Operations = """
        [{"op":"add","path":"/template/unknown","value":1,"foo":"bar"},
         {"op":"add","path":"/template/none","path":"/template/spec/restartPolicy","value":"Never"}]
        """;

    // Upstream's orders: of JSON as it was sent; of YAML what its decoder says, then the fields by name; of a patch what is wrong with it, then with the object.
    private static readonly string[] OfJson =
        ["unknown field \"template.unknown\"", "duplicate field \"template.spec.restartPolicy\"",
            "unknown field \"template.spec.containers[0].unknownNested\"", "duplicate field \"template.spec.containers[0].imagePullPolicy\""];

    private static readonly string[] OfYaml =
        ["line 8: key \"restartPolicy\" already set in map", "line 14: key \"imagePullPolicy\" already set in map",
            "unknown field \"template.spec.containers[0].unknownNested\"", "unknown field \"template.unknown\""];

    private static readonly string[] OfPatch =
        ["duplicate field \"template.spec.restartPolicy\"", "duplicate field \"template.spec.containers[0].imagePullPolicy\"",
            "unknown field \"template.spec.containers[0].unknownNested\"", "unknown field \"template.unknown\""];

    private static readonly string[] OfOperations =
        ["json patch unknown field \"[0].foo\"", "json patch duplicate field \"[1].path\"", "unknown field \"template.unknown\""];

    private TestServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _server = await TestServer.StartAsync();
        (await _server.PostAsync(Templates, Plain)).Expect(201);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    public static TheoryData<string, string, string, string[]> Writes => new()
    {
        { "POST", "application/json", Json, OfJson },
        { "POST", "application/yaml", Yaml, OfYaml },
        { "PUT", "application/json", Json, OfJson },
        { "PUT", "application/yaml", Yaml, OfYaml },
        { "PATCH", "application/merge-patch+json", Json, OfPatch },
        { "PATCH", "application/strategic-merge-patch+json", Json, OfPatch },
        { "PATCH", "application/json-patch+json", Operations, OfOperations },
    };

    [Theory]
    [MemberData(nameof(Writes))]
    public async Task Unknown_and_duplicate_fields_are_refused_told_or_dropped(string method, string contentType, string body, string[] problems)
    {
        var (path, name) = method == "POST" ? (Templates, "b") : (Templates + "/a", "a");
        Task<Reply> SendAsync(string validation) =>
            _server.SendAsync(new HttpMethod(method), path + validation, body.Replace("NAME", name, StringComparison.Ordinal), contentType);

        var refused = await SendAsync("?fieldValidation=Strict");
        Assert.Equal(method == "PATCH" ? 422 : 400, refused.Code);
        var lines = problems.Where(problem => problem.StartsWith("line ", StringComparison.Ordinal)).ToList();
        var expected = lines.Count == 0 ? string.Join(", ", problems) : $"yaml: unmarshal errors:\n  {string.Join("\n  ", lines)}, {string.Join(", ", problems.Skip(lines.Count))}";
        Assert.EndsWith(": strict decoding error: " + expected, refused.Message, StringComparison.Ordinal);

        Assert.Empty((await SendAsync("?dryRun=All&fieldValidation=Ignore")).Warnings);
        var told = await SendAsync("");
        Assert.InRange(told.Code, 200, 201);
        Assert.Equal(problems.Select(problem => $"299 - \"{problem.Replace("\"", "\\\"", StringComparison.Ordinal)}\""), told.Warnings);
        // Of two the last holds.
        Assert.Equal("Never", told.Json["template"]!["spec"]!["restartPolicy"]!.ToString());
    }

    [Fact]
    public async Task An_apply_tells_of_keys_that_stand_twice()
    {
        var told = await _server.SendAsync(HttpMethod.Patch, Templates + "/applied?fieldManager=m", """
            apiVersion: v1
            kind: PodTemplate
            metadata: {name: applied}
            template:
              spec:
                restartPolicy: Always
                restartPolicy: Never
                containers: [{name: c, image: i}]
            """, "application/apply-patch+yaml");
        Assert.Equal(201, told.Code);
        Assert.Equal(["299 - \"line 7: key \\\"restartPolicy\\\" already set in map\""], told.Warnings);
    }

    [Theory]
    [InlineData("merge-patch", "[]", "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}")]
    [InlineData("merge-patch", "{\"a\"", "error decoding patch: unexpected end of JSON input")]
    [InlineData("strategic-merge-patch", "true", "json: cannot unmarshal bool into Go value of type map[string]interface {}")]
    [InlineData("json-patch", "{}", "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp")]
    [InlineData("json-patch", "[\"a\"]", "error decoding patch: json: cannot unmarshal string into Go value of type handlers.jsonPatchOp")]
    public async Task What_is_no_patch_is_refused_in_upstreams_words(string type, string body, string message)
    {
        var reply = await _server.SendAsync(HttpMethod.Patch, Templates + "/a", body, $"application/{type}+json");
        Assert.Equal((400, message), (reply.Code, reply.Message));
    }
}
