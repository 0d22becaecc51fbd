using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json.Nodes;
using Minke.Api;

namespace Minke.Server.Tests;

/// <summary>One full object of every kind that is served and stored: what was sent is what comes back.</summary>
public sealed class ExampleTests
{
    // Answered by code, never stored.
    private static readonly HashSet<string> NotStored = new(StringComparer.Ordinal)
    {
        "Binding", "ComponentStatus", "NodeMetrics", "PodMetrics", "TokenReview", "SelfSubjectReview", "SubjectAccessReview", "SelfSubjectAccessReview",
        "LocalSubjectAccessReview", "SelfSubjectRulesReview",
    };

    // What the server alone says of an object.
    private static readonly string[] ServerSet = ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"];

    public static TheoryData<string> Kinds =>
        [.. ServedKinds.Default.Where(kind => !NotStored.Contains(kind.Kind)).Select(kind => kind.ApiVersion.Replace('/', '.') + "." + kind.Kind)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task What_was_sent_comes_back(string name)
    {
        var kind = ServedKinds.Default.Single(kind => kind.ApiVersion.Replace('/', '.') + "." + kind.Kind == name);
        var (sent, expected) = Example(name);
        await using var server = await TestServer.StartAsync();
        var path = $"/{(kind.Group.Length == 0 ? "api" : "apis/" + kind.Group)}/{kind.Version}/{(kind.IsNamespaced ? "namespaces/default/" : "")}{kind.Plural}";
        var own = $"{path}/{sent["metadata"]!["name"]}";

        (await server.PostAsync(path + "?fieldValidation=Strict", sent.ToJsonString())).Expect(201);
        if (kind.Kind == "FlowSchema")
            expected.Remove("status"); // Not to be written beside the server, which keeps it.
        else if (sent["status"] is { } status && kind.Subresources.Any(sub => sub.Name == "status"))
        {
            var current = (await server.GetAsync(own)).Expect(200).Json;
            current["status"] = status.DeepClone();
            (await server.PutAsync(own + "/status", current.ToJsonString())).Expect(200);
        }
        var got = (await server.GetAsync(own)).Expect(200).Json.AsObject();
        foreach (var field in ServerSet)
            got["metadata"]!.AsObject().Remove(field);
        if (expected["status"] is null)
            got.Remove("status"); // A controller's, who may have been at work already.
        if (kind.Kind == "CertificateSigningRequest")
            got["spec"]!.AsObject().Remove("extra"); // Names the credential of this run.
        if (kind.Kind == "PersistentVolume")
            got["status"]!.AsObject().Remove("lastPhaseTransitionTime"); // Now.
        Assert.Equal(Sorted(expected)!.ToJsonString(), Sorted(got)!.ToJsonString());

        // And through the other codec.
        var value = kind.ReadJson(Encoding.UTF8.GetBytes(got.ToJsonString()));
        Assert.Equal(Json.Write(value), Json.Write(kind.ReadProto(ProtoEnvelope.Open(ProtoEnvelope.Write(value)).Raw.Span)));
    }

    /// <summary>What is sent, and the same with the documented defaults of the second document.</summary>
    private static (JsonObject Sent, JsonObject Expected) Example(string name, [CallerFilePath] string here = "")
    {
        var file = Path.Combine(Path.GetDirectoryName(here)!, "..", "Minke.Api.Tests", "testdata", "examples", name + ".yaml");
        var documents = YamlReader.Read(File.ReadAllText(file)).Select(one => one.Document.AsObject()).ToList();
        var expected = documents[0].DeepClone().AsObject();
        if (documents.Count > 1)
            Merge(expected, documents[1]);
        return (documents[0], expected);
    }

    private static void Merge(JsonObject into, JsonObject changes)
    {
        foreach (var (key, value) in changes)
        {
            if (value is JsonObject inner && into[key] is JsonObject own)
                Merge(own, inner);
            else
                into[key] = value?.DeepClone();
        }
    }

    private static JsonNode? Sorted(JsonNode? node) => node switch
    {
        JsonObject members => new JsonObject(members.OrderBy(member => member.Key, StringComparer.Ordinal).Select(member => KeyValuePair.Create(member.Key, Sorted(member.Value)))),
        JsonArray items => new JsonArray([.. items.Select(Sorted)]),
        _ => node?.DeepClone(),
    };
}
