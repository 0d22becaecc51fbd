using System.Globalization;
using Minke.Api.Core.V1;

namespace Minke.Api;

/// <summary>What a LimitRange may ask of one type of thing. (ValidateLimitRange)</summary>
internal static class LimitRules
{
    private const string Claim = "PersistentVolumeClaim";
    private static readonly string[] Types = ["Pod", "Container", Claim];

    // Beyond it, upstream no longer counts in thousandths.
    private const decimal MaxMilliValue = long.MaxValue / 1000;

    public static void Validate(ApiList<LimitRangeItem> limits, FieldPath path, FieldErrors errors)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < limits.Count; i++)
        {
            ValidateType(limits[i].Type, path.Index(i).Child("type"), errors);
            if (!seen.Add(limits[i].Type))
                errors.Duplicate(path.Index(i).Child("type"), limits[i].Type);
            Validate(limits[i], path.Index(i), errors);
        }
    }

    private static void ValidateType(string type, FieldPath path, FieldErrors errors)
    {
        var before = errors.Count;
        PodRules.Each(Names.QualifiedName(type), path, type, errors);
        if (errors.Count == before && !type.Contains('/', StringComparison.Ordinal) && !Types.Contains(type))
            errors.Invalid(path, type, "must be a standard limit type or fully qualified");
    }

    private static void Validate(LimitRangeItem limit, FieldPath path, FieldErrors errors)
    {
        ValidateNames(limit.Type, limit.Max, path.Child("max"), errors);
        ValidateNames(limit.Type, limit.Min, path.Child("min"), errors);
        if (limit.Type == "Pod")
        {
            if (!limit.Default.IsEmpty)
                errors.Forbidden(path.Child("default"), "may not be specified when `type` is 'Pod'");
            if (!limit.DefaultRequest.IsEmpty)
                errors.Forbidden(path.Child("defaultRequest"), "may not be specified when `type` is 'Pod'");
            limit = limit with { Default = default, DefaultRequest = default };
        }
        else
        {
            ValidateNames(limit.Type, limit.Default, path.Child("default"), errors);
            ValidateNames(limit.Type, limit.DefaultRequest, path.Child("defaultRequest"), errors);
        }
        if (limit.Type == Claim && !limit.Min.ContainsKey("storage") && !limit.Max.ContainsKey("storage"))
            errors.Required(path.Child("limits"), "either minimum or maximum storage value is required, but neither was provided");
        ValidateNames(limit.Type, limit.MaxLimitRequestRatio, path.Child("maxLimitRequestRatio"), errors);

        var names = new SortedSet<string>(
            [.. limit.Max.Keys, .. limit.Min.Keys, .. limit.Default.Keys, .. limit.DefaultRequest.Keys, .. limit.MaxLimitRequestRatio.Keys], StringComparer.Ordinal);
        foreach (var name in names)
            ValidateTogether(limit, name, path, errors);
    }

    private static void ValidateNames(string type, ApiMap<Quantity> amounts, FieldPath path, FieldErrors errors)
    {
        foreach (var name in amounts.Keys)
        {
            if (type is "Pod" or "Container")
                ResourceRules.ValidateContainerName(name, path.Key(name), errors);
            else
                ResourceRules.ValidateName(name, path.Key(name), errors);
        }
    }

    /// <summary>The amounts of one resource, each against the others.</summary>
    private static void ValidateTogether(LimitRangeItem limit, string name, FieldPath path, FieldErrors errors)
    {
        var (min, max) = (Of(limit.Min), Of(limit.Max));
        var (most, request) = (Of(limit.Default), Of(limit.DefaultRequest));
        var (minAt, mostAt, requestAt) = (path.Child("min").Key(name), path.Child("default").Key(name), path.Child("defaultRequest").Key(name));
        if (min > max)
            errors.Invalid(minAt, min, $"min value {min} is greater than max value {max}");
        if (min > request)
            errors.Invalid(requestAt, request, $"min value {min} is greater than default request value {request}");
        if (request > max)
            errors.Invalid(requestAt, request, $"default request value {request} is greater than max value {max}");
        if (request > most)
            errors.Invalid(requestAt, request, $"default request value {request} is greater than default limit value {most}");
        if (min > most)
            errors.Invalid(mostAt, min, $"min value {min} is greater than default value {most}");
        if (most > max)
            errors.Invalid(mostAt, max, $"default value {most} is greater than max value {max}");
        if (Of(limit.MaxLimitRequestRatio) is { } ratio)
            ValidateRatio(ratio, min, max, path.Child("maxLimitRequestRatio").Key(name), errors);
        if (!ResourceRules.CanOvercommit(name) && most is not null && request is not null && most != request)
            errors.Invalid(requestAt, request, $"default value {most} must equal to defaultRequest value {request} in {name}");

        Quantity? Of(ApiMap<Quantity> amounts) => amounts.TryGetValue(name, out var amount) ? amount : null;
    }

    private static void ValidateRatio(Quantity ratio, Quantity? min, Quantity? max, FieldPath path, FieldErrors errors)
    {
        if (ratio.Value < 1)
            errors.Invalid(path, ratio, $"ratio {ratio} is less than 1");
        if (min is not { } least || max is not { } most)
            return;
        var isFine = ratio.Value < MaxMilliValue && least.Value < MaxMilliValue && most.Value < MaxMilliValue;
        var (asked, above, below) = isFine ? (ratio.Value, most.Value, least.Value) : (Math.Ceiling(ratio.Value), Math.Ceiling(most.Value), Math.Ceiling(least.Value));
        var limit = (double)above / (double)below;
        if ((double)asked > limit)
            errors.Invalid(path, ratio, string.Create(CultureInfo.InvariantCulture, $"ratio {ratio} is greater than max/min = {limit:F6}"));
    }
}
