using System.Text.Json;
using Minke.Api;
using Minke.Api.Apiextensions.V1;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.CustomResources;

/// <summary>
/// A stored definition without its schemas and managers, which are nearly all of it: what a start needs to know. Schemas are read when
/// somebody uses the kind.
/// </summary>
internal static class DefinitionOutline
{
    public static CustomResourceDefinition Read(Entry entry)
    {
        var json = StoredObject.Json(entry);
        var outline = new byte[json.Length];
        var (length, copied) = (0, 0);
        foreach (var (start, end) in Cuts(json))
        {
            json[copied..start].CopyTo(outline.AsSpan(length));
            length += start - copied;
            copied = end;
        }
        json[copied..].CopyTo(outline.AsSpan(length));
        length += json.Length - copied;
        var definition = CustomResourceDefinition.KindInfo.ReadJson(outline.AsSpan(0, length));
        return (CustomResourceDefinition)definition.WithMetadata(definition.Metadata with { ResourceVersion = entry.Modified.ToString() });
    }

    /// <summary>Neither of these is the first member of its object as the server writes it, so the comma before goes too.</summary>
    private static List<(int Start, int End)> Cuts(ReadOnlySpan<byte> json)
    {
        const int MemberOfVersion = 4;
        var cuts = new List<(int, int)>();
        var reader = new Utf8JsonReader(json, Json.ReaderOptions);
        var (isSpec, isVersions) = (false, false);
        reader.Read();
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName)
                continue;
            switch (reader.CurrentDepth)
            {
                case 1:
                    isSpec = reader.ValueTextEquals("spec"u8);
                    break;
                case 2 when isSpec:
                    isVersions = reader.ValueTextEquals("versions"u8);
                    break;
                case 2 when reader.ValueTextEquals("managedFields"u8):
                case MemberOfVersion when isSpec && isVersions && reader.ValueTextEquals("schema"u8):
                    var start = (int)reader.TokenStartIndex - 1;
                    reader.Skip();
                    cuts.Add((start, (int)reader.BytesConsumed));
                    break;
            }
        }
        return cuts;
    }
}
