using System.Globalization;
using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What an Event of core/v1 does beyond its fields. (legacyValidateEvent)</summary>
internal sealed class EventKind : KindBehavior<Event>
{
    private const int MaxWordLength = 128;
    private const int MaxMessageLength = 1024;

    public override void Validate(Event value, Event? old, FieldErrors errors)
    {
        FieldPath about = "involvedObject.namespace";
        var (own, other) = (value.Metadata.Namespace, value.InvolvedObject.Namespace);
        if (value.EventTime == default)
        {
            if (other.Length == 0 ? own is not ("" or "default") : own != other)
                errors.Invalid(about, other, "does not match event.namespace");
        }
        else
        {
            if (other.Length == 0 && own is not ("default" or "kube-system"))
                errors.Invalid(about, other, "does not match event.namespace");
            if (value.ReportingComponent.Length == 0)
                errors.Required("reportingController");
            PodRules.Each(Names.QualifiedName(value.ReportingComponent), "reportingController", value.ReportingComponent, errors);
            Word(value.ReportingInstance, "reportingInstance", errors);
            Word(value.Action, "action", errors);
            Word(value.Reason, "reason", errors);
            if (value.Message.Length > MaxMessageLength)
                errors.Invalid("message", "", string.Create(CultureInfo.InvariantCulture, $"can have at most {MaxMessageLength} characters"));
        }
        PodRules.Each(Names.Dns1123Subdomain(own), "namespace", own, errors);
        if (old is null)
            ObjectMetaRules.Validate(value.Metadata, isNamespaced: true, Names.PathSegment, errors);
    }

    private static void Word(string word, FieldPath path, FieldErrors errors)
    {
        if (word.Length == 0)
            errors.Required(path);
        if (word.Length > MaxWordLength)
            errors.Invalid(path, "", string.Create(CultureInfo.InvariantCulture, $"can have at most {MaxWordLength} characters"));
    }
}
