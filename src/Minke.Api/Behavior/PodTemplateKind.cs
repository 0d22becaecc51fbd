using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a PodTemplate does beyond its fields. (pkg/registry/core/podtemplate/strategy.go)</summary>
internal sealed class PodTemplateKind : KindBehavior<PodTemplate>
{
    public override bool CountsGeneration => true;

    public override PodTemplate Default(PodTemplate template) => template with { Template = PodTemplates.Default(template.Template) };

    public override PodTemplate PrepareForCreate(PodTemplate template) => Drop(template);

    public override PodTemplate PrepareForUpdate(PodTemplate template, PodTemplate old) => Drop(template);

    public override void Validate(PodTemplate template, PodTemplate? old, FieldErrors errors)
    {
        if (old is null)
            ObjectMetaRules.Validate(template.Metadata, isNamespaced: true, Names.Dns1123Subdomain, errors);
        else
            ObjectMetaRules.ValidateUpdate(template.Metadata, old.Metadata, errors);
        PodRules.ValidateTemplate(template.Template, "template", errors);
    }

    public override IEnumerable<string> Dropped(PodTemplate template) => PodTemplates.Dropped(template.Template, "template");

    public override IEnumerable<string> Warnings(PodTemplate template, PodTemplate? old) =>
        template.Metadata.Generation == old?.Metadata.Generation ? [] : PodTemplates.Warnings(template.Template, "template");

    private static PodTemplate Drop(PodTemplate template) => template with { Template = PodTemplates.Drop(template.Template, "template") };
}
