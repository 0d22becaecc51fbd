using System.Text;
using Minke.Api.Core.V1;
using Minke.Api.Storage.V1;

namespace Minke.Api;

/// <summary>What a StorageClass does beyond its fields. (pkg/apis/storage/validation)</summary>
internal sealed class StorageClassKind : KindBehavior<StorageClass>
{
    private const int MaxParameters = 512;
    private const int MaxParameterBytes = 256 * 1024;
    private static readonly string[] ReclaimPolicies = ["Delete", "Retain"];
    private static readonly string[] BindingModes = ["Immediate", "WaitForFirstConsumer"];

    public override void Validate(StorageClass value, StorageClass? old, FieldErrors errors)
    {
        ObjectMetaRules.Validate(value.Metadata, isNamespaced: false, Names.Dns1123Subdomain, errors);
        if (value.Provisioner.Length == 0)
            errors.Required("provisioner");
        else
            PodRules.Each(Names.QualifiedName(value.Provisioner.ToLowerInvariant()), "provisioner", value.Provisioner.ToLowerInvariant(), errors);
        ValidateParameters(value.Parameters, errors);
        if (value.ReclaimPolicy is { Length: > 0 } policy && !ReclaimPolicies.Contains(policy))
            errors.NotSupported("reclaimPolicy", policy, ReclaimPolicies);
        if (value.VolumeBindingMode is null)
            errors.Required("volumeBindingMode");
        else if (!BindingModes.Contains(value.VolumeBindingMode))
            errors.NotSupported("volumeBindingMode", value.VolumeBindingMode, BindingModes);
        ValidateTopologies(value.AllowedTopologies, errors);
        if (old is not null)
            ValidateUpdate(value, old, errors);
    }

    public override IEnumerable<string> Warnings(StorageClass value, StorageClass? old)
    {
        for (var i = 0; i < value.AllowedTopologies.Count; i++)
        {
            var terms = value.AllowedTopologies[i].MatchLabelExpressions;
            for (var j = 0; j < terms.Count; j++)
            {
                var at = new FieldPath("allowedTopologies").Index(i).Child("matchLabelExpressions").Index(j).Child("key");
                if (DeprecatedLabels.Replacement(terms[j].Key) is { } replacement)
                    yield return $"{at}: {replacement}";
            }
        }
    }

    private static void ValidateParameters(ApiMap<string> parameters, FieldErrors errors)
    {
        if (parameters.Count > MaxParameters)
        {
            errors.TooLong("parameters", MaxParameters);
            return;
        }
        if (parameters.ContainsKey(""))
            errors.Invalid("parameters", "", "field can not be empty.");
        if (parameters.Sum(pair => (long)Encoding.UTF8.GetByteCount(pair.Key) + Encoding.UTF8.GetByteCount(pair.Value)) > MaxParameterBytes)
            errors.TooLong("parameters", MaxParameterBytes);
    }

    private static void ValidateTopologies(ApiList<TopologySelectorTerm> terms, FieldErrors errors)
    {
        // A term without expressions is told as a duplicate even when it is the first: upstream's slip.
        var seen = new List<Dictionary<string, HashSet<string>>> { new(StringComparer.Ordinal) };
        for (var i = 0; i < terms.Count; i++)
        {
            var at = new FieldPath("allowedTopologies").Index(i).Child("matchLabelExpressions");
            var values = new Dictionary<string, HashSet<string>>(StringComparer.Ordinal);
            for (var j = 0; j < terms[i].MatchLabelExpressions.Count; j++)
            {
                var expression = terms[i].MatchLabelExpressions[j];
                var set = ValidateTopology(expression, at.Index(j), errors);
                if (values.ContainsKey(expression.Key))
                    errors.Duplicate(at.Index(j).Child("key"), expression.Key);
                values[expression.Key] = set;
            }
            if (seen.Any(other => AreSame(other, values)))
                errors.Duplicate(at, "");
            seen.Add(values);
        }
    }

    private static HashSet<string> ValidateTopology(TopologySelectorLabelRequirement expression, FieldPath path, FieldErrors errors)
    {
        var values = new HashSet<string>(StringComparer.Ordinal);
        if (expression.Values.IsEmpty)
            errors.Required(path.Child("values"));
        for (var i = 0; i < expression.Values.Count; i++)
        {
            if (!values.Add(expression.Values[i]))
                errors.Duplicate(path.Child("values").Index(i), expression.Values[i]);
        }
        PodRules.Each(Names.QualifiedName(expression.Key), path.Child("key"), expression.Key, errors);
        return values;
    }

    private static bool AreSame(Dictionary<string, HashSet<string>> a, Dictionary<string, HashSet<string>> b) =>
        a.Count == b.Count && a.All(pair => b.TryGetValue(pair.Key, out var values) && values.SetEquals(pair.Value));

    private static void ValidateUpdate(StorageClass value, StorageClass old, FieldErrors errors)
    {
        ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
        if (!value.Parameters.SequenceEqual(old.Parameters))
            errors.Forbidden("parameters", "updates to parameters are forbidden.");
        if (value.Provisioner != old.Provisioner)
            errors.Forbidden("provisioner", "updates to provisioner are forbidden.");
        if (value.ReclaimPolicy != old.ReclaimPolicy)
            errors.Forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden.");
        if (value.VolumeBindingMode != old.VolumeBindingMode)
            errors.Invalid("volumeBindingMode", value.VolumeBindingMode, "field is immutable");
    }
}
