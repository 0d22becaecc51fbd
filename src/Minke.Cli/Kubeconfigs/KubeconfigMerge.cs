using YamlDotNet.Core;

namespace Minke.Cli.Kubeconfigs;

/// <summary>
/// Puts a cluster into a kubeconfig somebody else wrote. Only the lines of the cluster, user and context of that name change; other
/// entries, their order and the comments stay.
/// </summary>
/// <remarks>
/// The result is made twice: as meaning (a tree) and as an edit of the text. When the edited text does not mean what the tree says,
/// as with JSON or unusual layouts, the tree is written out instead, and comments are lost rather than entries.
/// </remarks>
internal static class KubeconfigMerge
{
    /// <param name="text">The file as it is; empty for a new one.</param>
    /// <param name="added">What to put in.</param>
    /// <param name="current">Whether an existing choice of current context changes too. Without one, the new context is chosen.</param>
    /// <exception cref="KubeconfigException">The text is not a kubeconfig.</exception>
    public static string Merge(string text, Kubeconfig added, bool current)
    {
        var old = Parse(text);
        if (old is null)
            return added.ToString();

        var meaning = old;
        var edited = text;
        foreach (var (list, item) in Items(added))
        {
            meaning = meaning.With(list, Upsert(meaning[list], Item(item("")), added.Name, list));
            edited = Edit(edited, list, added.Name, item);
        }
        var chosen = (old["current-context"] as YamlTree.Scalar)?.Value ?? "";
        if (current || chosen.Length == 0 || old["current-context"]!.IsNull)
        {
            meaning = meaning.With("current-context", new YamlTree.Scalar(added.Name, ScalarStyle.Any));
            edited = EditScalar(edited, "current-context", added.Name);
        }
        return Means(edited, meaning) ? edited : YamlTree.Write(meaning);
    }

    /// <summary>Takes the cluster, user and context of a name out again; the text as it is when there is none.</summary>
    public static string Remove(string text, string name)
    {
        var old = Parse(text);
        if (old is null)
            return text;
        var meaning = old;
        var edited = text;
        foreach (var list in (string[])["clusters", "contexts", "users"])
        {
            if (meaning[list] is not YamlTree.Sequence sequence || IndexOf(sequence, name) < 0)
                continue;
            meaning = meaning.With(list, sequence with { Items = [.. sequence.Items.Where(item => NameOf(item) != name)] });
            edited = Edit(edited, list, name, item: null);
        }
        if (old["current-context"] is YamlTree.Scalar { Value: var chosen } && chosen == name)
        {
            meaning = meaning.With("current-context", new YamlTree.Scalar("", ScalarStyle.DoubleQuoted));
            edited = EditScalar(edited, "current-context", "\"\"");
        }
        return Means(edited, meaning) ? edited : YamlTree.Write(meaning);
    }

    private static (string List, Func<string, string> Item)[] Items(Kubeconfig config) =>
        [("clusters", config.ClusterItem), ("contexts", config.ContextItem), ("users", config.UserItem)];

    private static YamlTree.Mapping? Parse(string text)
    {
        YamlTree? root;
        try
        {
            root = YamlTree.Parse(text);
        }
        catch (YamlException exception)
        {
            throw new KubeconfigException($"line {exception.Start.Line}: {exception.Message}", exception);
        }
        return root switch
        {
            null or { IsNull: true } => null,
            YamlTree.Mapping mapping => mapping,
            _ => throw new KubeconfigException("not a kubeconfig: the document is not a mapping"),
        };
    }

    private static YamlTree Item(string text) => ((YamlTree.Sequence)YamlTree.Parse(text)!).Items[0];

    private static YamlTree.Sequence Upsert(YamlTree? list, YamlTree item, string name, string listName)
    {
        if (list is null or { IsNull: true })
            return new YamlTree.Sequence([item], IsFlow: false);
        if (list is not YamlTree.Sequence sequence)
            throw new KubeconfigException($"not a kubeconfig: {listName} is not a list");
        var items = sequence.Items.ToList();
        var at = IndexOf(sequence, name);
        if (at < 0)
            items.Add(item);
        else
            items[at] = item;
        return sequence with { Items = items };
    }

    private static int IndexOf(YamlTree.Sequence sequence, string name)
    {
        for (var i = 0; i < sequence.Items.Count; i++)
        {
            if (NameOf(sequence.Items[i]) == name)
                return i;
        }
        return -1;
    }

    private static string? NameOf(YamlTree item) => ((item as YamlTree.Mapping)?["name"] as YamlTree.Scalar)?.Value;

    private static bool Means(string text, YamlTree meaning)
    {
        try
        {
            return YamlTree.SaysTheSame(YamlTree.Parse(text), meaning);
        }
        catch (YamlException)
        {
            return false;
        }
    }

    // --- edits of the text: best effort, judged by Means ---

    private static string Edit(string text, string list, string name, Func<string, string>? item)
    {
        if (TryParse(text) is not { IsFlow: false } root)
            return text;
        var value = root[list];
        if (value is null)
            return Append(text, $"{list}:\n{item?.Invoke("")}\n");
        if (value is YamlTree.Sequence { IsFlow: false, Items.Count: > 0 } sequence)
        {
            var indent = new string(' ', sequence.Column);
            var at = IndexOf(sequence, name);
            if (at < 0)
                return Insert(text, AfterLine(text, sequence.End), item?.Invoke(indent) + "\n");
            var start = LineStart(text, sequence.Items[at].Start);
            var end = AfterLine(text, sequence.Items[at].End);
            // The last item of a list leaves an empty list behind, which must be said.
            var replacement = item is not null ? item(indent) + "\n" : sequence.Items.Count > 1 ? "" : indent + "[]\n";
            return text[..start] + replacement + text[end..];
        }
        // Empty: nothing, null or []. The value's own line is rewritten.
        if (value.IsNull || value is YamlTree.Sequence { Items.Count: 0 })
        {
            var key = root.Pairs.First(pair => pair.Value == value).Key;
            return text[..LineStart(text, key.Start)] + $"{list}:\n{item?.Invoke("")}\n" + text[AfterLine(text, Math.Max(key.End, value.End))..];
        }
        return text;
    }

    private static string EditScalar(string text, string key, string value)
    {
        if (TryParse(text) is not { IsFlow: false } root)
            return text;
        if (root[key] is not YamlTree.Scalar scalar)
            return Append(text, $"{key}: {value}\n");
        return scalar.Start == scalar.End
            ? Insert(text, root.Pairs.First(pair => pair.Value == scalar).Key.End + 1, " " + value)
            : text[..scalar.Start] + value + text[scalar.End..];
    }

    private static YamlTree.Mapping? TryParse(string text)
    {
        try
        {
            return YamlTree.Parse(text) as YamlTree.Mapping;
        }
        catch (YamlException)
        {
            return null;
        }
    }

    private static string Append(string text, string lines) => (text.EndsWith('\n') ? text : text + "\n") + lines;

    private static string Insert(string text, int at, string inserted) =>
        at > 0 && at == text.Length && text[^1] != '\n' && inserted.EndsWith('\n') ? text + "\n" + inserted : text.Insert(Math.Min(at, text.Length), inserted);

    private static int LineStart(string text, int offset) => offset == 0 ? 0 : text.LastIndexOf('\n', offset - 1) + 1;

    /// <summary>The start of the line after the one an offset is on; the offset itself when it is at the start of a line.</summary>
    private static int AfterLine(string text, int offset)
    {
        if (offset > 0 && offset <= text.Length && text[offset - 1] == '\n')
            return offset;
        var end = offset >= text.Length ? -1 : text.IndexOf('\n', offset);
        return end < 0 ? text.Length : end + 1;
    }
}
