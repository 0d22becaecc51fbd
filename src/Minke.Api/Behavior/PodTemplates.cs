using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>The template of pods in another object: its defaults, what gates drop of it, what is to be said of it.</summary>
internal static class PodTemplates
{
    public static PodTemplateSpec Default(PodTemplateSpec template) => template with { Spec = PodDefaults.OfSpec(template.Spec) };

    /// <param name="template">As it came.</param>
    /// <param name="path">Of the template: <c>spec.template</c>.</param>
    /// <param name="warnings">Gets a text for everything dropped.</param>
    public static PodTemplateSpec Drop(PodTemplateSpec template, FieldPath path, List<string>? warnings = null) =>
        template with { Spec = FeatureGates.Drop(template.Spec, path.Child("spec"), warnings) };

    public static IReadOnlyList<string> Dropped(PodTemplateSpec template, FieldPath path)
    {
        var warnings = new List<string>();
        Drop(template, path, warnings);
        return warnings;
    }

    /// <summary>Upstream's own warnings, then ours of what the node will not act on.</summary>
    public static IEnumerable<string> Warnings(PodTemplateSpec template, FieldPath path) =>
        PodWarnings.Of(template.Spec, template.Metadata, path)
            .Concat(PodSupport.Warnings(new Pod { Metadata = template.Metadata, Spec = template.Spec }).Select(warning => $"{path}.{warning}"));

    /// <summary>Pods are named after what makes them, and their names become hostnames.</summary>
    public static IEnumerable<string> NameWarnings(string name) => Names.Dns1123Label(name).ToList() is { Count: > 0 } wrong
        ? [$"metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [{string.Join(' ', wrong)}]"]
        : [];
}
