using System.Text;

namespace Minke.Cel.Syntax;

/// <summary>An expression's text as Unicode code points: what columns, sizes and limits count.</summary>
internal sealed class SourceText
{
    private readonly int[] _codePoints;
    private readonly List<int> _lineStarts = [0];

    public SourceText(string text)
    {
        Text = text;
        var codePoints = new List<int>(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            codePoints.Add(rune.Value);
            if (rune.Value == '\n')
                _lineStarts.Add(codePoints.Count);
        }
        _codePoints = [.. codePoints];
    }

    public string Text { get; }
    public int Length => _codePoints.Length;

    /// <summary>-1 past the end.</summary>
    public int this[int position] => position < _codePoints.Length ? _codePoints[position] : -1;

    public string Slice(int start, int end)
    {
        var text = new StringBuilder();
        for (var i = start; i < end; i++)
            text.Append(new Rune(_codePoints[i]).ToString());
        return text.ToString();
    }

    /// <summary>Lines count from one, columns from zero.</summary>
    public (int Line, int Column) Locate(int position)
    {
        var line = _lineStarts.BinarySearch(position);
        if (line < 0)
            line = ~line - 1;
        return (line + 1, position - _lineStarts[line]);
    }

    public string? Line(int line)
    {
        if (line < 1 || line > _lineStarts.Count)
            return null;
        var start = _lineStarts[line - 1];
        var end = line < _lineStarts.Count ? _lineStarts[line] - 1 : Length;
        return Slice(start, end);
    }
}
