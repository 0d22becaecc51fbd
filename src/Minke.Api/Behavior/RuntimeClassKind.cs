using Minke.Api.Core.V1;
using Minke.Api.Node.V1;

namespace Minke.Api;

/// <summary>What a RuntimeClass does beyond its fields. (pkg/apis/node/validation)</summary>
internal sealed class RuntimeClassKind : KindBehavior<RuntimeClass>
{
    public override void Validate(RuntimeClass value, RuntimeClass? old, FieldErrors errors)
    {
        if (old is not null)
        {
            ObjectMetaRules.ValidateUpdate(value.Metadata, old.Metadata, errors);
            if (value.Handler != old.Handler)
                errors.Invalid("handler", value.Handler, "field is immutable");
        }
        ObjectMetaRules.Validate(value.Metadata, isNamespaced: false, Names.Dns1123Subdomain, errors);
        PodRules.Each(Names.Dns1123Label(value.Handler), "handler", value.Handler, errors);
        if (value.Overhead is { } overhead)
            ResourceRules.Validate(new ResourceRequirements { Limits = overhead.PodFixed }, [], "overhead", errors);
        if (value.Scheduling is not { } scheduling)
            return;
        ObjectMetaRules.Labels(scheduling.NodeSelector, "scheduling.nodeSelector", errors);
        SchedulingRules.ValidateTolerations(scheduling.Tolerations, "scheduling.tolerations", errors);
    }

    public override IEnumerable<string> Warnings(RuntimeClass value, RuntimeClass? old) =>
        (value.Scheduling?.NodeSelector ?? default).Keys.Select(DeprecatedLabels.Replacement).OfType<string>().Select(message => $"scheduling.nodeSelector: {message}");
}
