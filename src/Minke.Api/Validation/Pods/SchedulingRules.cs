using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>Tolerations, affinity and topology spread.</summary>
internal static class SchedulingRules
{
    public static readonly string[] TaintEffects = [TaintEffect.NoSchedule, TaintEffect.PreferNoSchedule, TaintEffect.NoExecute];

    public static void ValidateTolerations(ApiList<Toleration> tolerations, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < tolerations.Count; i++)
        {
            var (toleration, at) = (tolerations[i], path.Index(i));
            if (toleration.Key.Length > 0)
                PodRules.Each(Names.QualifiedName(toleration.Key), at.Child("key"), toleration.Key, errors);
            if (toleration.Key.Length == 0 && toleration.Operator != TolerationOperator.Exists)
                errors.Invalid(at.Child("operator"), toleration.Operator, "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
            if (toleration.TolerationSeconds is not null && toleration.Effect != TaintEffect.NoExecute)
                errors.Invalid(at.Child("effect"), toleration.Effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
            switch (toleration.Operator)
            {
                case TolerationOperator.Equal or "":
                    if (string.Join(';', Names.LabelValue(toleration.Value)) is { Length: > 0 } wrong)
                        errors.Invalid(at.Child("operator"), toleration.Value, wrong);
                    break;
                case TolerationOperator.Exists:
                    if (toleration.Value.Length > 0)
                        errors.Invalid(at.Child("operator"), toleration.Value, "value must be empty when `operator` is 'Exists'");
                    break;
                default:
                    errors.NotSupported(at.Child("operator"), toleration.Operator, [TolerationOperator.Equal, TolerationOperator.Exists]);
                    break;
            }
            if (toleration.Effect.Length > 0 && !TaintEffects.Contains(toleration.Effect))
                errors.NotSupported(at.Child("effect"), toleration.Effect, TaintEffects);
        }
    }

    public static void ValidateLabelSelector(LabelSelector? selector, FieldPath path, FieldErrors errors)
    {
        if (selector is null)
            return;
        ObjectMetaRules.Labels(selector.MatchLabels, path.Child("matchLabels"), errors);
        for (var i = 0; i < selector.MatchExpressions.Count; i++)
        {
            var (expression, at) = (selector.MatchExpressions[i], path.Child("matchExpressions").Index(i));
            switch (expression.Operator)
            {
                case LabelSelectorOperator.In or LabelSelectorOperator.NotIn:
                    if (expression.Values.IsEmpty)
                        errors.Required(at.Child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
                    break;
                case LabelSelectorOperator.Exists or LabelSelectorOperator.DoesNotExist:
                    if (!expression.Values.IsEmpty)
                        errors.Forbidden(at.Child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
                    break;
                default:
                    errors.Invalid(at.Child("operator"), expression.Operator, "not a valid selector operator");
                    break;
            }
            PodRules.Each(Names.QualifiedName(expression.Key), at.Child("key"), expression.Key, errors);
            for (var v = 0; v < expression.Values.Count; v++)
                PodRules.Each(Names.LabelValue(expression.Values[v]), at.Child("values").Index(v), expression.Values[v], errors);
        }
    }

    public static void ValidateAffinity(Affinity? affinity, FieldPath path, FieldErrors errors)
    {
        if (affinity is null)
            return;
        if (affinity.NodeAffinity is { } node)
        {
            var at = path.Child("nodeAffinity");
            if (node.RequiredDuringSchedulingIgnoredDuringExecution is { } required)
                ValidateNodeSelector(required, at.Child("requiredDuringSchedulingIgnoredDuringExecution"), errors);
            var preferred = node.PreferredDuringSchedulingIgnoredDuringExecution;
            for (var i = 0; i < preferred.Count; i++)
            {
                var term = at.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i);
                if (preferred[i].Weight is <= 0 or > 100)
                    errors.Invalid(term.Child("weight"), preferred[i].Weight, "must be in the range 1-100");
                ValidateTerm(preferred[i].Preference, term.Child("preference"), errors);
            }
        }
        if (affinity.PodAffinity is { } together)
        {
            ValidatePodTerms(together.RequiredDuringSchedulingIgnoredDuringExecution, together.PreferredDuringSchedulingIgnoredDuringExecution, path.Child("podAffinity"), errors);
        }
        if (affinity.PodAntiAffinity is { } apart)
        {
            ValidatePodTerms(apart.RequiredDuringSchedulingIgnoredDuringExecution, apart.PreferredDuringSchedulingIgnoredDuringExecution, path.Child("podAntiAffinity"), errors);
        }
    }

    public static void ValidateNodeSelector(NodeSelector selector, FieldPath path, FieldErrors errors)
    {
        if (selector.NodeSelectorTerms.IsEmpty)
            errors.Required(path.Child("nodeSelectorTerms"), "must have at least one node selector term");
        for (var i = 0; i < selector.NodeSelectorTerms.Count; i++)
            ValidateTerm(selector.NodeSelectorTerms[i], path.Child("nodeSelectorTerms").Index(i), errors);
    }

    private static void ValidateTerm(NodeSelectorTerm term, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < term.MatchExpressions.Count; i++)
        {
            var (requirement, at) = (term.MatchExpressions[i], path.Child("matchExpressions").Index(i));
            switch (requirement.Operator)
            {
                case NodeSelectorOperator.In or NodeSelectorOperator.NotIn:
                    if (requirement.Values.IsEmpty)
                        errors.Required(at.Child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
                    break;
                case NodeSelectorOperator.Exists or NodeSelectorOperator.DoesNotExist:
                    if (!requirement.Values.IsEmpty)
                        errors.Forbidden(at.Child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
                    break;
                case NodeSelectorOperator.Gt or NodeSelectorOperator.Lt:
                    if (requirement.Values.Count != 1)
                        errors.Required(at.Child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
                    break;
                default:
                    errors.Invalid(at.Child("operator"), requirement.Operator, "not a valid selector operator");
                    break;
            }
            PodRules.Each(Names.QualifiedName(requirement.Key), at.Child("key"), requirement.Key, errors);
        }
        for (var i = 0; i < term.MatchFields.Count; i++)
        {
            var (requirement, at) = (term.MatchFields[i], path.Child("matchFields").Index(i));
            if (requirement.Operator is NodeSelectorOperator.In or NodeSelectorOperator.NotIn)
            {
                if (requirement.Values.Count != 1)
                    errors.Required(at.Child("values"), "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
            }
            else
            {
                errors.Invalid(at.Child("operator"), requirement.Operator, "not a valid selector operator");
            }
            if (requirement.Key != "metadata.name")
                errors.Invalid(at.Child("key"), requirement.Key, "not a valid field selector key");
            else
            {
                for (var v = 0; v < requirement.Values.Count; v++)
                    PodRules.Each(Names.Dns1123Subdomain(requirement.Values[v]), at.Child("values").Index(v), requirement.Values[v], errors);
            }
        }
    }

    private static void ValidatePodTerms(ApiList<PodAffinityTerm> required, ApiList<WeightedPodAffinityTerm> preferred, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < required.Count; i++)
            ValidatePodTerm(required[i], path.Child("requiredDuringSchedulingIgnoredDuringExecution").Index(i), errors);
        for (var i = 0; i < preferred.Count; i++)
        {
            var at = path.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i);
            if (preferred[i].Weight is <= 0 or > 100)
                errors.Invalid(at.Child("weight"), preferred[i].Weight, "must be in the range 1-100");
            ValidatePodTerm(preferred[i].PodAffinityTerm, at.Child("podAffinityTerm"), errors);
        }
    }

    private static void ValidatePodTerm(PodAffinityTerm term, FieldPath path, FieldErrors errors)
    {
        ValidateLabelSelector(term.LabelSelector, path.Child("labelSelector"), errors);
        ValidateLabelSelector(term.NamespaceSelector, path.Child("namespaceSelector"), errors);
        foreach (var name in term.Namespaces)
            PodRules.Each(Names.Dns1123Label(name), path.Child("namespace"), name, errors);
        ValidateLabelKeys(term.MatchLabelKeys, term.LabelSelector, path.Child("matchLabelKeys"), errors);
        ValidateLabelKeys(term.MismatchLabelKeys, term.LabelSelector, path.Child("mismatchLabelKeys"), errors);
        ValidateMergedKeys(term, path, errors);
        if (term.TopologyKey.Length == 0)
            errors.Required(path.Child("topologyKey"), "can not be empty");
        PodRules.Each(Names.QualifiedName(term.TopologyKey), path.Child("topologyKey"), term.TopologyKey, errors);
    }

    private static void ValidateLabelKeys(ApiList<string> keys, LabelSelector? selector, FieldPath path, FieldErrors errors)
    {
        if (keys.IsEmpty)
            return;
        if (selector is null)
        {
            errors.Forbidden(path, "must not be specified when labelSelector is not set");
            return;
        }
        for (var i = 0; i < keys.Count; i++)
            PodRules.Each(Names.QualifiedName(keys[i]), path.Index(i), keys[i], errors);
    }

    /// <summary>By now the selector holds what the keys stood for, so a key met twice there was in both to begin with.</summary>
    private static void ValidateMergedKeys(PodAffinityTerm term, FieldPath path, FieldErrors errors)
    {
        if (term.LabelSelector is { } selector)
        {
            var seen = selector.MatchLabels.Keys.ToHashSet(StringComparer.Ordinal);
            foreach (var expression in selector.MatchExpressions)
            {
                var index = IndexOf(term.MatchLabelKeys, expression.Key);
                if (!seen.Add(expression.Key) && index >= 0)
                    errors.Invalid(path.Index(index), expression.Key, "exists in both matchLabelKeys and labelSelector");
            }
        }
        for (var i = 0; i < term.MatchLabelKeys.Count; i++)
        {
            if (term.MismatchLabelKeys.Contains(term.MatchLabelKeys[i]))
                errors.Invalid(path.Child("matchLabelKeys").Index(i), term.MatchLabelKeys[i], "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }

    private static int IndexOf(ApiList<string> items, string item)
    {
        for (var i = 0; i < items.Count; i++)
        {
            if (items[i] == item)
                return i;
        }
        return -1;
    }

    public static void ValidateSpread(ApiList<TopologySpreadConstraint> constraints, FieldPath path, FieldErrors errors)
    {
        for (var i = 0; i < constraints.Count; i++)
        {
            var (constraint, at) = (constraints[i], path.Index(i));
            if (constraint.MaxSkew <= 0)
                errors.Invalid(at.Child("maxSkew"), constraint.MaxSkew, "must be greater than zero");
            if (constraint.TopologyKey.Length == 0)
                errors.Required(at.Child("topologyKey"), "can not be empty");
            if (constraint.WhenUnsatisfiable is not (UnsatisfiableConstraintAction.DoNotSchedule or UnsatisfiableConstraintAction.ScheduleAnyway))
                errors.NotSupported(at.Child("whenUnsatisfiable"), constraint.WhenUnsatisfiable, [UnsatisfiableConstraintAction.DoNotSchedule, UnsatisfiableConstraintAction.ScheduleAnyway]);
            // Of two alike the first is named.
            if (constraints.Skip(i + 1).Any(other => other.TopologyKey == constraint.TopologyKey && other.WhenUnsatisfiable == constraint.WhenUnsatisfiable))
                errors.Duplicate(at.Child("{topologyKey, whenUnsatisfiable}"), $"{{{constraint.TopologyKey}, {constraint.WhenUnsatisfiable}}}");
            if (constraint.MinDomains is { } minDomains)
            {
                if (minDomains <= 0)
                    errors.Invalid(at.Child("minDomains"), minDomains, "must be greater than zero");
                if (constraint.WhenUnsatisfiable != UnsatisfiableConstraintAction.DoNotSchedule)
                    errors.Invalid(at.Child("minDomains"), minDomains, $"can only use minDomains if whenUnsatisfiable={UnsatisfiableConstraintAction.DoNotSchedule}, not {constraint.WhenUnsatisfiable}");
            }
            ValidateInclusion(constraint.NodeAffinityPolicy, at.Child("nodeAffinityPolicy"), errors);
            ValidateInclusion(constraint.NodeTaintsPolicy, at.Child("nodeTaintsPolicy"), errors);
            ValidateSpreadKeys(constraint, at.Child("matchLabelKeys"), errors);
            ValidateLabelSelector(constraint.LabelSelector, at.Child("labelSelector"), errors);
        }
    }

    private static void ValidateSpreadKeys(TopologySpreadConstraint constraint, FieldPath path, FieldErrors errors)
    {
        if (constraint.MatchLabelKeys.IsEmpty)
            return;
        if (constraint.LabelSelector is null)
            errors.Forbidden(path, "must not be specified when labelSelector is not set");
        for (var i = 0; i < constraint.MatchLabelKeys.Count; i++)
        {
            var key = constraint.MatchLabelKeys[i];
            PodRules.Each(Names.QualifiedName(key), path.Index(i), key, errors);
            if (constraint.LabelSelector is { } selector && (selector.MatchLabels.ContainsKey(key) || selector.MatchExpressions.Any(expression => expression.Key == key)))
                errors.Invalid(path.Index(i), key, "exists in both matchLabelKeys and labelSelector");
        }
    }

    private static void ValidateInclusion(string? policy, FieldPath path, FieldErrors errors)
    {
        if (policy is not null and not (NodeInclusionPolicy.Ignore or NodeInclusionPolicy.Honor))
            errors.NotSupported(path, policy, [NodeInclusionPolicy.Honor, NodeInclusionPolicy.Ignore]);
    }
}
