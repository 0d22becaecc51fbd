using System.Text;
using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a ConfigMap does beyond its fields. (ValidateConfigMap, ValidateConfigMapUpdate)</summary>
internal sealed class ConfigMapKind : KindBehavior<ConfigMap>
{
    public const int MaxBytes = 1024 * 1024;
    public const string Immutable = "field is immutable when `immutable` is set";

    public override void Validate(ConfigMap map, ConfigMap? old, FieldErrors errors)
    {
        if (old is not null)
        {
            ObjectMetaRules.ValidateUpdate(map.Metadata, old.Metadata, errors);
            if (old.Immutable == true)
            {
                if (map.Immutable != true)
                    errors.Forbidden("immutable", Immutable);
                if (!map.Data.SequenceEqual(old.Data))
                    errors.Forbidden("data", Immutable);
                if (!AreSame(map.BinaryData, old.BinaryData))
                    errors.Forbidden("binaryData", Immutable);
            }
        }
        ObjectMetaRules.Validate(map.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        long size = 0;
        foreach (var (key, value) in map.Data)
        {
            var at = new FieldPath("data").Key(key);
            PodRules.Each(Names.ConfigMapKey(key), at, key, errors);
            if (map.BinaryData.ContainsKey(key))
                errors.Invalid(at, key, "duplicate of key present in binaryData");
            size += Encoding.UTF8.GetByteCount(value);
        }
        foreach (var (key, value) in map.BinaryData)
        {
            PodRules.Each(Names.ConfigMapKey(key), new FieldPath("binaryData").Key(key), key, errors);
            size += value.Length;
        }
        // The path of the whole object, as upstream prints it.
        if (size > MaxBytes)
            errors.TooLong("[]", MaxBytes);
    }

    public static bool AreSame(ApiMap<byte[]> a, ApiMap<byte[]> b) =>
        a.Count == b.Count && a.All(pair => b.TryGetValue(pair.Key, out var value) && value.AsSpan().SequenceEqual(pair.Value));
}
