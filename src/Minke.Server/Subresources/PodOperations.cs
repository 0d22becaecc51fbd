using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Api.Policy.V1;
using Minke.Server.Admission;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.Subresources;

/// <summary>Binding a pod to its node, and evicting it.</summary>
internal sealed class PodOperations(ObjectRegistry registry)
{
    private readonly Resource _pods = registry.Catalog.Find(Pod.KindInfo)!;
    private readonly PodEvictions _evictions = new(registry);

    public async ValueTask BindAsync(ApiRequest request)
    {
        var options = QueryValues.Read(request.Http, CreateOptions.FromQuery);
        var context = request.Context(options.DryRun, options.FieldManager);
        var resource = registry.Catalog.Find(Binding.KindInfo)!;
        var binding = (Binding)ObjectDecoder.Decode(
            resource, await request.BodyAsync(), request.BodyFormat, QueryValues.FieldValidation(options.FieldValidation), context);
        // Both pods/NAME/binding and the older bindings, which name the pod in the body.
        var name = request.Target.Subresource.Length > 0 ? request.Name : binding.Metadata.Name;
        if (binding.Metadata.Name.Length > 0 && binding.Metadata.Name != name)
            throw StatusException.BadRequest($"name in URL does not match name in Binding object");
        await BindAsync(request.Namespace, name, binding, context, request.Cancelled);
        Responses.Warn(request.Http, context.Warnings);
        await Responses.StatusAsync(request.Http, new Status { StatusValue = "Success", Code = 201 }, request.Media);
    }

    public async Task BindAsync(string @namespace, string name, Binding binding, WriteContext context, CancellationToken cancellationToken)
    {
        var errors = new FieldErrors();
        if (binding.Target.Kind is not ("" or "Node"))
            errors.NotSupported("target.kind", binding.Target.Kind, ["Node", "<empty>"]);
        if (binding.Target.Name.Length == 0)
            errors.Required("target.name");
        if (errors.Count > 0)
            throw StatusException.Invalid("", "Binding", name, errors);
        binding = (Binding)await registry.AdmitAsync(Creation("binding", Binding.KindInfo, binding, @namespace, name, context), cancellationToken);
        await registry.UpdateAsync(_pods, "binding", @namespace, name, old => Bound((Pod)old!, binding), isPatch: true, context, cancellationToken);
    }

    public async ValueTask EvictAsync(ApiRequest request)
    {
        var options = QueryValues.Read(request.Http, CreateOptions.FromQuery);
        var context = request.Context(options.DryRun, options.FieldManager);
        var eviction = ObjectDecoder.Decode("Eviction", await request.BodyAsync(), request.BodyFormat, Eviction.ReadJson, Eviction.ReadProto);
        if (eviction.Metadata.Name.Length > 0 && eviction.Metadata.Name != request.Name)
            throw StatusException.BadRequest("name in URL does not match name in Eviction object");
        await EvictAsync(request.Namespace, request.Name, eviction, context, request.Cancelled);
        Responses.Warn(request.Http, context.Warnings);
        await Responses.StatusAsync(request.Http, new Status { StatusValue = "Success", Code = 201 }, request.Media);
    }

    public async Task EvictAsync(string @namespace, string name, Eviction eviction, WriteContext context, CancellationToken cancellationToken)
    {
        var body = AdmittedBody.Of(AdmittedBody.Eviction, eviction, eviction.Metadata);
        if (await registry.AdmitAsync(Creation("eviction", body.Info, body, @namespace, name, context), cancellationToken) is AdmittedBody admitted && !ReferenceEquals(admitted, body))
            eviction = Json.Read(admitted.Utf8, Eviction.ReadJson);
        var options = eviction.DeleteOptions ?? DeleteOptions.Empty;
        var isDryRun = context.IsDryRun || DryRun.IsOn(options.DryRun);
        if (registry.TryGet(_pods, @namespace, name) is Pod pod)
            NodeRestriction.Evict(context.User, pod);
        await _evictions.EvictAsync(@namespace, name, options, new() { User = context.User, IsDryRun = isDryRun, IsAdmitted = true }, cancellationToken);
    }

    private AdmissionRequest Creation(string subresource, KindInfo kind, IKubeObject body, string @namespace, string name, WriteContext context) => new()
    {
        Resource = _pods,
        Subresource = subresource,
        ObjectKind = kind,
        Operation = AdmissionOperation.Create,
        Namespace = @namespace,
        Name = name,
        Object = body,
        Context = context,
    };

    private Pod Bound(Pod pod, Binding binding)
    {
        string? refusal = pod.Metadata.DeletionTimestamp is not null ? $"pod {pod.Metadata.Name} is being deleted, cannot be assigned to a host"
            : pod.Spec.NodeName.Length > 0 ? $"pod {pod.Metadata.Name} is already assigned to node \"{pod.Spec.NodeName}\""
            : !pod.Spec.SchedulingGates.IsEmpty ? $"pod {pod.Metadata.Name} has non-empty .spec.schedulingGates"
            : binding.Metadata.Uid.Length > 0 && binding.Metadata.Uid != pod.Metadata.Uid
                ? $"Precondition failed: UID in precondition: {binding.Metadata.Uid}, UID in object meta: {pod.Metadata.Uid}"
            : null;
        if (refusal is not null)
        {
            throw StatusException.Of(409, StatusReason.Conflict,
                $"Operation cannot be fulfilled on pods/binding \"{pod.Metadata.Name}\": {refusal}", new() { Name = pod.Metadata.Name, Kind = "pods/binding" });
        }
        var annotations = pod.Metadata.Annotations;
        foreach (var (key, value) in binding.Metadata.Annotations)
            annotations = annotations.With(key, value);
        var conditions = pod.Status.Conditions.Without(condition => condition.Type == "PodScheduled").Add(new()
        {
            Type = "PodScheduled",
            Status = "True",
            LastTransitionTime = Time.From(registry.Clock.GetUtcNow()),
        });
        return pod with
        {
            Metadata = pod.Metadata with { Annotations = annotations },
            Spec = pod.Spec with { NodeName = binding.Target.Name },
            Status = pod.Status with { Conditions = conditions },
        };
    }
}
