using Minke.Api;
using Minke.Api.Admissionregistration.V1;
using Minke.Cel.Values;
using Minke.Server.Registry;
using Minke.Store;

namespace Minke.Server.Admission.Policies;

/// <summary>The objects that a binding sets a policy's parameters by.</summary>
internal sealed class PolicyParameters(IStateStore store, ResourceCatalog catalog)
{
    /// <summary>Null when no such kind is served.</summary>
    public Resource? FindKind(ParamKind kind) =>
        catalog.All.FirstOrDefault(resource => resource.Kind.Kind == kind.Kind && resource.Kind.ApiVersion == kind.ApiVersion);

    /// <summary>One evaluation each; a null is one without parameters. No element: the policy is not evaluated.</summary>
    /// <exception cref="PolicyConfigurationException">The binding cannot be followed.</exception>
    public IReadOnlyList<CelValue?> Collect(Resource? kind, ParamRef? reference, string @namespace)
    {
        if (kind is null || reference is null)
            return [null];
        if (!kind.IsNamespaced && reference.Namespace.Length > 0)
            throw new PolicyConfigurationException("paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
        var own = reference.Namespace.Length > 0 ? reference.Namespace : @namespace;
        if (kind.IsNamespaced && own.Length == 0)
            throw new PolicyConfigurationException("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources");

        var found = new List<CelValue?>();
        var snapshot = store.Snapshot();
        if (reference.Name.Length > 0)
        {
            if (snapshot.Get(kind.Key(own, reference.Name)) is { } entry)
                found.Add(AdmissionActivation.Read(StoredObject.Read(kind, entry)));
        }
        else if (reference.Selector is not null)
        {
            found.AddRange(snapshot.Range(kind.ListPrefix(own)).Select(entry => StoredObject.Read(kind, entry))
                .Where(value => LabelSelectors.Matches(reference.Selector, value.Metadata.Labels)).Select(AdmissionActivation.Read));
        }
        if (found.Count == 0 && reference.ParameterNotFoundAction == "Deny")
            throw new PolicyConfigurationException("no params found for policy binding with `Deny` parameterNotFoundAction");
        return found;
    }
}

internal sealed class PolicyConfigurationException(string message) : Exception(message);
