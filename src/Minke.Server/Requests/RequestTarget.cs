namespace Minke.Server.Requests;

/// <summary>What a path under <c>/api</c> or <c>/apis</c> names. Anything else is not a resource.</summary>
internal readonly record struct RequestTarget
{
    public bool IsResource { get; init; }
    public string Group { get; init; }
    public string Version { get; init; }
    public string Namespace { get; init; }
    public string Plural { get; init; }
    public string Name { get; init; }
    public string Subresource { get; init; }

    /// <summary>Behind the subresource, for proxies.</summary>
    public string Rest { get; init; }

    /// <summary>The old <c>/watch/</c> prefix.</summary>
    public bool IsWatchPath { get; init; }

    public static RequestTarget Parse(string path)
    {
        var position = 0;
        var root = Segment(path, ref position);
        string group, version;
        if (root is "api")
        {
            group = "";
            version = Segment(path, ref position).ToString();
        }
        else if (root is "apis")
        {
            group = Segment(path, ref position).ToString();
            version = Segment(path, ref position).ToString();
        }
        else
        {
            return default;
        }
        var first = Segment(path, ref position);
        var isWatch = first is "watch";
        if (isWatch)
            first = Segment(path, ref position);
        if (version.Length == 0 || first.IsEmpty)
            return default;

        var (plural, @namespace) = (first.ToString(), "");
        var name = Segment(path, ref position).ToString();
        var subresource = Segment(path, ref position).ToString();
        // namespaces/NAME/status and namespaces/NAME/finalize are the namespace's own.
        if (plural == "namespaces" && group.Length == 0 && subresource.Length > 0 && subresource is not ("status" or "finalize"))
        {
            (@namespace, plural) = (name, subresource);
            name = Segment(path, ref position).ToString();
            subresource = Segment(path, ref position).ToString();
        }
        else if (plural == "namespaces" && group.Length > 0)
        {
            (@namespace, plural) = (name, subresource);
            name = Segment(path, ref position).ToString();
            subresource = Segment(path, ref position).ToString();
        }
        if (plural.Length == 0)
            return default;
        return new()
        {
            IsResource = true,
            Group = group,
            Version = version,
            Namespace = @namespace,
            Plural = plural,
            Name = name,
            Subresource = subresource,
            Rest = position < path.Length ? path[position..] : "",
            IsWatchPath = isWatch,
        };
    }

    private static ReadOnlySpan<char> Segment(string path, ref int position)
    {
        while (position < path.Length && path[position] == '/')
            position++;
        var start = position;
        while (position < path.Length && path[position] != '/')
            position++;
        return path.AsSpan(start, position - start);
    }
}
