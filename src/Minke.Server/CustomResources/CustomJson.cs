using System.Text.Json;
using Minke.Api;
using Minke.Api.Meta.V1;

namespace Minke.Server.CustomResources;

/// <summary>Reads an object of the store's own writing: metadata decoded, the other members cut out as they are.</summary>
internal static class CustomJson
{
    public static (string ApiVersion, ObjectMeta Metadata, ApiMap<RawJson> Members) Read(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, Json.ReaderOptions);
        var context = new JsonReadContext();
        var apiVersion = "";
        var metadata = ObjectMeta.Empty;
        var members = new List<KeyValuePair<string, RawJson>>(2);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            switch (name)
            {
                case "apiVersion":
                    apiVersion = reader.GetString()!;
                    break;
                case "kind":
                    break;
                case "metadata":
                    metadata = ObjectMeta.ReadJson(ref reader, context);
                    break;
                default:
                    var start = (int)reader.TokenStartIndex;
                    reader.Skip();
                    members.Add(new(name, new(json[start..(int)reader.BytesConsumed].ToArray())));
                    break;
            }
        }
        return (apiVersion, metadata, ApiMap.From(members));
    }
}
