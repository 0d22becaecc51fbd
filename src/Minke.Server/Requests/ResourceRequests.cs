using Minke.Api;
using Minke.Api.Meta.V1;
using Minke.Server.Access;
using Minke.Server.Aggregation;
using Minke.Server.Flow;
using Minke.Server.Registry;
using Minke.Server.Subresources;
using Minke.Server.Tables;

namespace Minke.Server.Requests;

/// <summary>Requests that name a resource, once they are let in: to the server it belongs to, or to the verb's own code here.</summary>
internal sealed class ResourceRequests(
    ResourceCatalog catalog, ResourceHandler resources, SubresourceHandler subresources, VirtualResources virtuals, RemoteRequests remotes,
    Authorizer authorizer, TimeProvider clock)
{
    public async ValueTask HandleAsync(RequestInfo info, UserInfo user, FlowTicket? ticket, CancellationToken cancelled)
    {
        var (http, target, verb) = info;
        if (remotes.Find(target.Group, target.Version) is { } remote)
        {
            ticket?.Leave(); // Of a watch: it is somebody else's work from here.
            await remotes.ForwardAsync(http, user, remote, cancelled);
            return;
        }
        if (catalog.Find(target.Group, target.Version, target.Plural) is not { } resource)
            throw StatusException.NoResource();
        if (verb.Length == 0 && target.Subresource != "proxy")
            throw MethodNotAllowed();
        // A namespaced resource is written in a namespace, a cluster-scoped one never is.
        if (target.Namespace.Length > 0 && !resource.IsNamespaced)
            throw StatusException.NoResource();
        if (resource.IsNamespaced && target.Namespace.Length == 0 && (target.Name.Length > 0 || verb is not ("list" or "watch")))
            throw target.Name.Length == 0 ? MethodNotAllowed() : StatusException.NoResource();

        if (resource.Custom is { Warning.Length: > 0 } custom)
            Responses.Warn(http, [custom.Warning]);
        var request = new ApiRequest
        {
            Http = http,
            User = user,
            Target = target,
            Resource = resource,
            Verb = verb,
            Media = MediaOf(info, resource),
            Cancelled = cancelled,
            Clock = clock,
            Ticket = ticket,
            CheckMayCreate = verb is "update" or "patch" ? () => authorizer.Check((info with { Verb = "create" }).QueryBy(user)) : null,
        };
        if (target.Subresource.Length > 0)
        {
            await subresources.HandleAsync(request);
            return;
        }
        // A name is given when one object is meant, and not otherwise.
        var isNamed = target.Name.Length > 0;
        if (!resource.Kind.Verbs.Contains(verb) || (verb == "create" ? isNamed : verb is "update" or "patch" && !isNamed))
            throw MethodNotAllowed();
        if (resource.IsVirtual)
        {
            await virtuals.HandleAsync(request);
            return;
        }
        await (verb switch
        {
            "get" => resources.GetAsync(request),
            "list" => resources.ListAsync(request),
            "watch" => resources.WatchAsync(request),
            "create" => resources.CreateAsync(request),
            "update" => resources.UpdateAsync(request),
            "patch" => resources.PatchAsync(request),
            "delete" => resources.DeleteAsync(request),
            _ => resources.DeleteCollectionAsync(request),
        });
    }

    public static StatusException MethodNotAllowed() => StatusException.Of(
        405, StatusReason.MethodNotAllowed, "the server does not allow this method on the requested resource", StatusDetails.Empty);

    private static MediaType MediaOf(RequestInfo info, Resource resource)
    {
        var (http, verb) = (info.Http, info.Verb);
        var media = MediaType.Negotiate(
            http.Request.Headers.Accept.ToString(), verb == "watch", hasProtobuf: resource.Custom is null, hasTable: HasTable(info, resource));
        if (verb == "watch")
            return media with { IsPretty = false }; // A frame is a line.
        if (media.Projection is Projection.PartialMetadata or Projection.PartialMetadataList)
            PartialMetadata.Check(media, resource, verb);
        else if (media.Projection == Projection.Table)
            TableWriter.Check(http);
        return media.Format == BodyFormat.Json && !media.IsPretty && MediaType.IsForPeople(http.Request) ? media with { IsPretty = true } : media;
    }

    /// <summary>Nobody has said how a review looks in rows; and a list that is streamed is to be what its listing would be.</summary>
    private static bool HasTable(RequestInfo info, Resource resource) =>
        !(resource.IsVirtual && !resource.Kind.Verbs.Contains("list"))
        && info.Target.Subresource is not ("binding" or "eviction" or "token")
        && !(info.Verb == "watch" && info.IsTrue("sendInitialEvents") && info.IsTrue("allowWatchBookmarks"));
}
