using System.Text.RegularExpressions;
using Minke.Api.Meta.V1;

namespace Minke.Api;

/// <summary>Conditions of the common form. (apimachinery ValidateConditions)</summary>
internal static partial class ConditionRules
{
    private const int MaxReasonLength = 1024;
    private const int MaxMessageLength = 32 * 1024;
    private const string Reason = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?";
    private static readonly string[] Statuses = ["False", "True", "Unknown"];

    public static void Validate(ApiList<Condition> conditions, FieldPath path, FieldErrors errors)
    {
        var types = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < conditions.Count; i++)
        {
            var (condition, at) = (conditions[i], path.Index(i));
            if (!types.Add(condition.Type))
                errors.Duplicate(at.Child("type"), condition.Type);
            PodRules.Each(Names.QualifiedName(condition.Type), at.Child("type"), condition.Type, errors);
            if (!Statuses.Contains(condition.Status))
                errors.NotSupported(at.Child("status"), condition.Status, Statuses);
            if (condition.ObservedGeneration < 0)
                errors.Invalid(at.Child("observedGeneration"), condition.ObservedGeneration, "must be greater than or equal to zero");
            if (condition.LastTransitionTime.IsZero)
                errors.Required(at.Child("lastTransitionTime"), "must be set");
            if (condition.Reason.Length == 0)
                errors.Required(at.Child("reason"), "must be set");
            else if (!ReasonPattern().IsMatch(condition.Reason))
                errors.Invalid(at.Child("reason"), condition.Reason, $"a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '{Reason}')");
            if (condition.Reason.Length > MaxReasonLength)
                errors.TooLong(at.Child("reason"), MaxReasonLength);
            if (condition.Message.Length > MaxMessageLength)
                errors.TooLong(at.Child("message"), MaxMessageLength);
        }
    }

    [GeneratedRegex(@"\A" + Reason + @"\z", RegexOptions.CultureInvariant)]
    private static partial Regex ReasonPattern();
}
