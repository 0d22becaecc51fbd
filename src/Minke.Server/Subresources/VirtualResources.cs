using Minke.Api;
using Minke.Api.Core.V1;
using Minke.Api.Meta.V1;
using Minke.Server.Admission;
using Minke.Server.Registry;
using Minke.Server.Requests;

namespace Minke.Server.Subresources;

/// <summary>Resources that are answers rather than objects: reviews of tokens and rights, bindings, component statuses.</summary>
internal sealed class VirtualResources(ObjectRegistry registry, PodOperations pods, AccessReviews reviews, UsageMetrics usage)
{
    public async ValueTask HandleAsync(ApiRequest request)
    {
        var kind = request.Resource.Kind;
        if (kind == Binding.KindInfo)
        {
            await pods.BindAsync(request);
            return;
        }
        if (kind == ComponentStatus.KindInfo)
        {
            await ComponentsAsync(request);
            return;
        }
        if (kind.Group == "metrics.k8s.io")
        {
            await usage.HandleAsync(request);
            return;
        }
        var body = await request.BodyAsync();
        var options = QueryValues.Read(request.Http, CreateOptions.FromQuery);
        var context = request.Context(options.DryRun, options.FieldManager, options.FieldValidation);
        var asked = ObjectDecoder.Decode(request.Resource, body, request.BodyFormat, QueryValues.FieldValidation(options.FieldValidation), context);
        asked = await registry.AdmitAsync(new AdmissionRequest
        {
            Resource = request.Resource,
            Operation = AdmissionOperation.Create,
            Namespace = request.Namespace,
            Name = asked.Metadata.Name,
            Object = asked,
            Context = context,
        }, request.Cancelled);
        var answer = await reviews.AnswerAsync(asked, request.User, request.Namespace, request.Cancelled) ?? throw StatusException.NoResource();
        Responses.Warn(request.Http, context.Warnings);
        await Responses.ObjectAsync(request, 201, answer);
    }

    private ValueTask ComponentsAsync(ApiRequest request)
    {
        Responses.Warn(request.Http, ["v1 ComponentStatus is deprecated in v1.19+"]);
        var trouble = registry.Store.Trouble;
        ComponentStatus[] all =
        [
            Component("controller-manager", null),
            Component("scheduler", null),
            Component("etcd-0", trouble),
        ];
        if (request.Verb == "list")
            return Responses.ListAsync(request, all, ListMeta.Empty);
        return Responses.ObjectAsync(request, 200, all.FirstOrDefault(one => one.Metadata.Name == request.Name)
            ?? throw StatusException.NotFound(request.Resource.Kind, request.Name));
    }

    private static ComponentStatus Component(string name, string? trouble) => new()
    {
        Metadata = new() { Name = name },
        Conditions = [new ComponentCondition { Type = "Healthy", Status = trouble is null ? "True" : "False", Message = trouble is null ? "ok" : "", Error = trouble ?? "" }],
    };
}
