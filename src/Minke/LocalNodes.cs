using System.Collections.Concurrent;
using Minke.Client.Nodes;

namespace Minke;

/// <summary>The nodes of this process. The server is made before they are, so they are added as they come.</summary>
internal sealed class LocalNodes : INodeDirectory
{
    private readonly ConcurrentDictionary<string, INodeEndpoint> _byName = new(StringComparer.Ordinal);

    public void Add(string nodeName, INodeEndpoint endpoint) => _byName[nodeName] = endpoint;

    public INodeEndpoint? Find(string nodeName) => _byName.GetValueOrDefault(nodeName);
}
