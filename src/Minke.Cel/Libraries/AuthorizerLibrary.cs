using Minke.Api;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Libraries;

/// <summary>Who asks whether something is allowed: the host's part of the <c>authorizer</c> variable.</summary>
public interface ICelAuthorizer
{
    /// <summary>Decides for the request's user, or for a service account if <see cref="CelAccessCheck.ServiceAccount"/> is set.</summary>
    CelAccessDecision Check(CelAccessCheck check);
}

/// <summary>One question: about a path, or about a resource.</summary>
/// <param name="Path">Not null: the rest is not used.</param>
public sealed record CelAccessCheck(string Verb, string? Path)
{
    public string Group { get; init; } = "";
    public string Resource { get; init; } = "";
    public string Subresource { get; init; } = "";
    public string Namespace { get; init; } = "";
    public string Name { get; init; } = "";
    public string FieldSelector { get; init; } = "";
    public string LabelSelector { get; init; } = "";
    public (string Namespace, string Name)? ServiceAccount { get; init; }
}

/// <param name="Error">Null when the question could be decided.</param>
public sealed record CelAccessDecision(bool IsAllowed, string Reason, string? Error = null);

/// <summary>Kubernetes' authorizer: <c>authorizer.group('').resource('pods').check('create').allowed()</c>.</summary>
public static class AuthorizerLibrary
{
    public static CelType AuthorizerType { get; } = CelType.Opaque("kubernetes.authorization.Authorizer");
    public static CelType ResourceCheckType { get; } = CelType.Opaque("kubernetes.authorization.ResourceCheck");

    internal static CelType PathCheckType { get; } = CelType.Opaque("kubernetes.authorization.PathCheck");
    internal static CelType GroupCheckType { get; } = CelType.Opaque("kubernetes.authorization.GroupCheck");
    internal static CelType DecisionType { get; } = CelType.Opaque("kubernetes.authorization.Decision");

    /// <summary>The variable <c>authorizer</c>.</summary>
    public static CelValue Authorizer(ICelAuthorizer authorizer) => new CheckValue(AuthorizerType, authorizer, new CelAccessCheck("", null));

    /// <summary>The variable <c>authorizer.requestResource</c>: the resource of the request itself, a verb yet to be named.</summary>
    public static CelValue RequestResource(ICelAuthorizer authorizer, CelAccessCheck check) => new CheckValue(ResourceCheckType, authorizer, check);

    internal static void AddTo(FunctionTable table)
    {
        var library = table.Extension;
        Step("path", "authorizer_path", AuthorizerType, PathCheckType, (check, path) => check with { Path = path }, "path must not be empty");
        Step("group", "authorizer_group", AuthorizerType, GroupCheckType, (check, group) => check with { Group = group });
        Step("resource", "groupcheck_resource", GroupCheckType, ResourceCheckType, (check, resource) => check with { Resource = resource }, "resource must not be empty");
        Step("subresource", "resourcecheck_subresource", ResourceCheckType, ResourceCheckType, (check, subresource) => check with { Subresource = subresource });
        Step("namespace", "resourcecheck_namespace", ResourceCheckType, ResourceCheckType, (check, name) => check with { Namespace = name });
        Step("name", "resourcecheck_name", ResourceCheckType, ResourceCheckType, (check, name) => check with { Name = name });
        Step("fieldSelector", "authorizer_fieldselector", ResourceCheckType, ResourceCheckType, (check, selector) => check with { FieldSelector = selector });
        Step("labelSelector", "authorizer_labelselector", ResourceCheckType, ResourceCheckType, (check, selector) => check with { LabelSelector = selector });
        library.Member("serviceAccount", "authorizer_serviceaccount", [AuthorizerType, CelType.String, CelType.String], AuthorizerType,
            a => ServiceAccount((CheckValue)a[0], a[1].Text, a[2].Text));
        library.Member("check", "pathcheck_check", [PathCheckType, CelType.String], DecisionType, Check);
        library.Member("check", "resourcecheck_check", [ResourceCheckType, CelType.String], DecisionType, Check);
        library.Member("errored", "decision_errored", [DecisionType], CelType.Bool, a => BoolValue.Of(Decision(a).Error is not null));
        library.Member("error", "decision_error", [DecisionType], CelType.String, a => new StringValue(Decision(a).Error ?? ""));
        library.Member("allowed", "decision_allowed", [DecisionType], CelType.Bool, a => BoolValue.Of(Decision(a).IsAllowed));
        library.Member("reason", "decision_reason", [DecisionType], CelType.String, a => new StringValue(Decision(a).Reason));

        void Step(string name, string id, CelType from, CelType to, Func<CelAccessCheck, string, CelAccessCheck> step, string? whenBlank = null) =>
            library.Member(name, id, [from, CelType.String], to, a =>
                whenBlank is not null && string.IsNullOrWhiteSpace(a[1].Text)
                    ? new ErrorValue(whenBlank)
                    : new CheckValue(to, ((CheckValue)a[0]).Authorizer, step(((CheckValue)a[0]).Check, a[1].Text)));
    }

    private static CelAccessDecision Decision(CelValue[] arguments) => ((DecisionValue)arguments[0]).Decision;

    private static CelValue ServiceAccount(CheckValue target, string @namespace, string name)
    {
        if (Names.Dns1123Subdomain(name).Any())
            return new ErrorValue("Invalid service account name");
        if (Names.Dns1123Label(@namespace).Any())
            return new ErrorValue("Invalid service account namespace");
        return new CheckValue(AuthorizerType, target.Authorizer, target.Check with { ServiceAccount = (@namespace, name) });
    }

    private static CelValue Check(CelValue[] a)
    {
        var target = (CheckValue)a[0];
        return new DecisionValue(target.Authorizer.Check(target.Check with { Verb = a[1].Text }));
    }

    private sealed class CheckValue(CelType type, ICelAuthorizer authorizer, CelAccessCheck check) : OpaqueValue
    {
        public ICelAuthorizer Authorizer { get; } = authorizer;
        public CelAccessCheck Check { get; } = check;
        public override CelType Type { get; } = type;

        internal override bool IsEqualTo(OpaqueValue other) => other is CheckValue value && value.Check == Check;
    }

    private sealed class DecisionValue(CelAccessDecision decision) : OpaqueValue
    {
        public CelAccessDecision Decision { get; } = decision;
        public override CelType Type => DecisionType;

        internal override bool IsEqualTo(OpaqueValue other) => other is DecisionValue value && value.Decision == Decision;
    }
}
