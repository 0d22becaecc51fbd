using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Minke.Cli.Kubeconfigs;

/// <summary>A YAML document as written: nodes that know where in the text they stand, so that a change touches only its own lines.</summary>
internal abstract record YamlTree
{
    /// <summary>Offset of the first character.</summary>
    public int Start { get; init; }

    /// <summary>Offset after the last character that belongs to the node; comments that follow do not.</summary>
    public int End { get; init; }

    /// <summary>Column of the first character, from 0.</summary>
    public int Column { get; init; }

    public string Anchor { get; init; } = "";
    public string Tag { get; init; } = "";

    public sealed record Scalar(string Value, ScalarStyle Style) : YamlTree;

    /// <summary>A mention of an anchored node.</summary>
    public sealed record Alias(string Target) : YamlTree;

    public sealed record Sequence(IReadOnlyList<YamlTree> Items, bool IsFlow) : YamlTree;

    public sealed record Mapping(IReadOnlyList<KeyValuePair<YamlTree, YamlTree>> Pairs, bool IsFlow) : YamlTree
    {
        public YamlTree? this[string key]
        {
            get
            {
                foreach (var pair in Pairs)
                {
                    if (pair.Key is Scalar scalar && scalar.Value == key)
                        return pair.Value;
                }
                return null;
            }
        }

        /// <summary>The same mapping with one value replaced, or added at the end.</summary>
        public Mapping With(string key, YamlTree value)
        {
            var pairs = Pairs.ToList();
            var at = pairs.FindIndex(pair => pair.Key is Scalar scalar && scalar.Value == key);
            if (at < 0)
                pairs.Add(new(new Scalar(key, ScalarStyle.Any), value));
            else
                pairs[at] = new(pairs[at].Key, value);
            return this with { Pairs = pairs };
        }
    }

    public bool IsNull => this is Scalar { Style: ScalarStyle.Plain, Value: "" or "~" or "null" or "Null" or "NULL" };

    /// <summary>The first document of a text; null when there is none.</summary>
    /// <exception cref="YamlException">The text is not YAML; the message and mark say where.</exception>
    public static YamlTree? Parse(string text)
    {
        var parser = new Parser(new StringReader(text));
        try
        {
            parser.Consume<StreamStart>();
            return parser.TryConsume<DocumentStart>(out _) ? ParseNode(parser, depth: 0) : null;
        }
        catch (Exception exception) when (exception is InvalidOperationException or ArgumentException)
        {
            // YamlDotNet's scanner gives up with these on some broken texts.
            throw new YamlException(parser.Current?.Start ?? Mark.Empty, parser.Current?.End ?? Mark.Empty, exception.Message, exception);
        }
    }

    private static YamlTree ParseNode(IParser parser, int depth)
    {
        if (depth > 64)
            throw new YamlException("nested too deeply");
        if (parser.TryConsume<YamlDotNet.Core.Events.Scalar>(out var scalar))
            return At(new Scalar(scalar.Value, scalar.Style), scalar, scalar.End.Index);
        if (parser.TryConsume<AnchorAlias>(out var alias))
            return At(new Alias(alias.Value.Value), alias, alias.End.Index);
        if (parser.TryConsume<SequenceStart>(out var sequence))
        {
            var items = new List<YamlTree>();
            while (!parser.Accept<SequenceEnd>(out _))
                items.Add(ParseNode(parser, depth + 1));
            var isFlow = sequence.Style == SequenceStyle.Flow;
            var last = parser.Consume<SequenceEnd>().End.Index;
            return At(new Sequence(items, isFlow), sequence, isFlow || items.Count == 0 ? last : items[^1].End);
        }
        var mapping = parser.Consume<MappingStart>();
        var pairs = new List<KeyValuePair<YamlTree, YamlTree>>();
        while (!parser.Accept<MappingEnd>(out _))
        {
            var key = ParseNode(parser, depth + 1);
            pairs.Add(new(key, ParseNode(parser, depth + 1)));
        }
        var flow = mapping.Style == MappingStyle.Flow;
        var end = parser.Consume<MappingEnd>().End.Index;
        // An empty value stands nowhere: its key is the last that does.
        return At(new Mapping(pairs, flow), mapping, flow || pairs.Count == 0 ? end : Math.Max(pairs[^1].Key.End, pairs[^1].Value.End));
    }

    private static YamlTree At(YamlTree node, ParsingEvent start, long end) => node with
    {
        Start = (int)start.Start.Index,
        End = (int)end,
        Column = (int)start.Start.Column - 1,
        Anchor = start is NodeEvent { Anchor.IsEmpty: false } anchored ? anchored.Anchor.Value : "",
        Tag = start is NodeEvent { Tag.IsEmpty: false } tagged ? tagged.Tag.Value : "",
    };

    /// <summary>Says the same, wherever and in whichever style it is written.</summary>
    public static bool SaysTheSame(YamlTree? a, YamlTree? b) => (a, b) switch
    {
        (null, null) => true,
        (Scalar x, Scalar y) => x.Value == y.Value && x.Tag == y.Tag && x.Anchor == y.Anchor && x.IsNull == y.IsNull,
        (Alias x, Alias y) => x.Target == y.Target,
        (Sequence x, Sequence y) => x.Anchor == y.Anchor && x.Tag == y.Tag && x.Items.Count == y.Items.Count
            && x.Items.Zip(y.Items).All(pair => SaysTheSame(pair.First, pair.Second)),
        (Mapping x, Mapping y) => x.Anchor == y.Anchor && x.Tag == y.Tag && x.Pairs.Count == y.Pairs.Count
            && x.Pairs.Zip(y.Pairs).All(pair => SaysTheSame(pair.First.Key, pair.Second.Key) && SaysTheSame(pair.First.Value, pair.Second.Value)),
        _ => false,
    };

    /// <summary>Writes the whole tree anew, without the comments it may have had.</summary>
    public static string Write(YamlTree tree)
    {
        var text = new StringWriter();
        var emitter = new Emitter(text, new EmitterSettings().WithMaxSimpleKeyLength(1024).WithBestWidth(int.MaxValue));
        emitter.Emit(new StreamStart());
        emitter.Emit(new DocumentStart(null, null, isImplicit: true));
        WriteNode(emitter, tree);
        emitter.Emit(new DocumentEnd(isImplicit: true));
        emitter.Emit(new StreamEnd());
        return text.ToString();
    }

    private static void WriteNode(Emitter emitter, YamlTree tree)
    {
        var anchor = tree.Anchor.Length == 0 ? AnchorName.Empty : new AnchorName(tree.Anchor);
        var tag = tree.Tag.Length == 0 ? TagName.Empty : new TagName(tree.Tag);
        switch (tree)
        {
            case Scalar scalar:
                // Plain stays plain and quoted stays quoted: the words mean other things in the other form.
                emitter.Emit(new YamlDotNet.Core.Events.Scalar(
                    anchor, tag, scalar.Value, scalar.Style, scalar.Style is ScalarStyle.Plain or ScalarStyle.Any, scalar.Style != ScalarStyle.Plain));
                break;
            case Alias alias:
                emitter.Emit(new AnchorAlias(new AnchorName(alias.Target)));
                break;
            case Sequence sequence:
                emitter.Emit(new SequenceStart(anchor, tag, tag.IsEmpty, sequence.IsFlow ? SequenceStyle.Flow : SequenceStyle.Block));
                foreach (var item in sequence.Items)
                    WriteNode(emitter, item);
                emitter.Emit(new SequenceEnd());
                break;
            case Mapping mapping:
                emitter.Emit(new MappingStart(anchor, tag, tag.IsEmpty, mapping.IsFlow ? MappingStyle.Flow : MappingStyle.Block));
                foreach (var (key, value) in mapping.Pairs)
                {
                    WriteNode(emitter, key);
                    WriteNode(emitter, value);
                }
                emitter.Emit(new MappingEnd());
                break;
        }
    }
}
