using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a LimitRange does beyond its fields.</summary>
internal sealed class LimitRangeKind : KindBehavior<LimitRange>
{
    public override LimitRange Default(LimitRange range) => range with { Spec = range.Spec with { Limits = range.Spec.Limits.Map(Default) } };

    public override void Validate(LimitRange range, LimitRange? old, FieldErrors errors)
    {
        if (old is not null)
            ObjectMetaRules.ValidateUpdate(range.Metadata, old.Metadata, errors);
        ObjectMetaRules.Validate(range.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        LimitRules.Validate(range.Spec.Limits, "spec.limits", errors);
    }

    private static LimitRangeItem Default(LimitRangeItem item)
    {
        if (item.Type != "Container")
            return item;
        var most = Missing(item.Default, item.Max);
        return item with { Default = most, DefaultRequest = Missing(Missing(item.DefaultRequest, most), item.Min) };
    }

    private static ApiMap<Quantity> Missing(ApiMap<Quantity> amounts, ApiMap<Quantity> others)
    {
        foreach (var (name, amount) in others)
        {
            if (!amounts.ContainsKey(name))
                amounts = amounts.With(name, amount);
        }
        return amounts;
    }
}
