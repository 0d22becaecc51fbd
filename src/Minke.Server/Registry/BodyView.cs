using Minke.Api;

namespace Minke.Server.Registry;

/// <summary>A subresource whose body is another kind than the object it changes: admission sees the body.</summary>
/// <param name="Show">The body, out of the object.</param>
/// <param name="Take">The object, changed as the body says.</param>
internal sealed record BodyView(string Subresource, KindInfo Kind, Func<IKubeObject, IKubeObject> Show, Func<IKubeObject, IKubeObject, IKubeObject> Take);
