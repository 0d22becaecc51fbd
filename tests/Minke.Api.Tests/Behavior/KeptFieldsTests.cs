using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Minke.Api.Tests.Codecs;
using Minke.Api.Tests.Validation;

namespace Minke.Api.Tests.Behavior;

/// <summary>Of every kind, what a client sends is what is stored: defaults are added, and nothing is lost but what a list says.</summary>
public sealed class KeptFieldsTests
{
    private const int Seeds = 12;

    // Kept from clients, or dropped while a gate is off, as upstream; of every kind that has such a path.
    private const string Template = @"(.*\.)?spec\.";
    private static readonly string[] Lost =
    [
        "status", @"status\..*",
        Template + "((init)?[cC]ontainers\\.resizePolicy|(init)?[cC]ontainers\\.resources\\.claims|resourceClaims|resources)",
        Template + "(securityContext\\.(supplementalGroupsPolicy|seLinuxChangePolicy)|volumes\\.projected\\.sources\\.clusterTrustBundle)",
        Template + "serviceAccount", // says what serviceAccountName says
        @"spec\.updateStrategy\.rollingUpdate\.maxUnavailable", // of a StatefulSet
        @"spec\.(strategy|preferredHolder)", // of a Lease
        @"spec\.volumeAttributesClassName",
        @"spec\.dataSource(Ref)?", // what is neither a claim nor a snapshot, or in another namespace
        @"spec\.sessionAffinityConfig", // without affinity
        @"secrets\..*", // but for their names
        "stringData", // is in data
        @"endpoints\.deprecatedTopology",
    ];

    public static TheoryData<string> EveryKind => [.. Kinds.All.Where(kind => kind.Verbs.Contains("create") && kind.Verbs.Contains("get")).Select(kind => kind.ToString())];

    [Theory, MemberData(nameof(EveryKind))]
    public void Nothing_is_lost_on_the_way_into_the_store(string name)
    {
        var kind = Kinds.All.Single(candidate => candidate.ToString() == name);
        var behavior = KindBehaviors.For(kind);
        var lost = new SortedSet<string>(StringComparer.Ordinal);
        for (var seed = 0; seed < Seeds; seed++)
        {
            var sent = new RandomObjects(new Random(seed)).Of(kind);
            var stored = behavior.PrepareForCreate(Cases.Decode(kind, sent));
            Compare(JsonNode.Parse(Json.Write(stored)), JsonNode.Parse(Json.Write(kind.ReadJson(Encoding.UTF8.GetBytes(sent.ToJsonString())))), "", lost);
        }
        Assert.Equal("", string.Join('\n', lost.Where(path => !Lost.Any(pattern => Regex.IsMatch(path, $"^({pattern})$")))));
    }

    // What has a default in its place is not lost.
    private static bool IsUnsaid(JsonNode? sent) => sent?.ToJsonString() is null or "\"\"" or "0" or "{}" or "[]";

    private static void Compare(JsonNode? stored, JsonNode? sent, string path, SortedSet<string> lost)
    {
        switch (sent)
        {
            case JsonObject members when stored is JsonObject kept:
                foreach (var (name, value) in members)
                    Compare(kept[name], value, path.Length == 0 ? name : $"{path}.{name}", lost);
                break;
            case JsonArray items when stored is JsonArray kept && kept.Count >= items.Count:
                for (var i = 0; i < items.Count; i++)
                    Compare(kept[i], items[i], path, lost);
                break;
            default:
                if (!IsUnsaid(sent) && !JsonNode.DeepEquals(stored, sent))
                    lost.Add(path);
                break;
        }
    }
}
