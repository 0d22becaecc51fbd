using System.Globalization;

namespace Minke.Api;

/// <summary>The parser of <see cref="LabelQuery"/>: one token of lookahead, and the errors of apimachinery's labels package.</summary>
internal sealed class LabelQueryParser(string text)
{
    private enum Token { End, Identifier, Comma, Open, Close, Not, Equals, DoubleEquals, NotEquals, In, NotIn, GreaterThan, LessThan, Unknown }

    private int _position;

    public List<LabelRequirement> Parse()
    {
        var requirements = new List<LabelRequirement>();
        while (true)
        {
            var (token, literal) = Peek();
            switch (token)
            {
                case Token.Identifier or Token.Not:
                    try
                    {
                        requirements.Add(ParseRequirement());
                    }
                    catch (FormatException e)
                    {
                        throw new FormatException("unable to parse requirement: " + e.Message);
                    }
                    var (next, nextLiteral) = Next();
                    if (next == Token.End)
                        return requirements;
                    if (next != Token.Comma)
                        throw new FormatException($"found '{nextLiteral}', expected: ',' or 'end of string'");
                    var (after, afterLiteral) = Peek();
                    if (after is not (Token.Identifier or Token.Not))
                        throw new FormatException($"found '{afterLiteral}', expected: identifier after ','");
                    break;
                case Token.End:
                    return requirements;
                default:
                    throw new FormatException($"found '{literal}', expected: !, identifier, or 'end of string'");
            }
        }
    }

    private LabelRequirement ParseRequirement()
    {
        var (token, key) = Next();
        var isNegated = token == Token.Not;
        if (isNegated)
            (token, key) = Next();
        if (token != Token.Identifier)
            throw new FormatException($"found '{key}', expected: identifier");
        if (string.Join("; ", Names.QualifiedName(key)) is { Length: > 0 } keyErrors)
            throw new FormatException($"<nil>: Invalid value: {FieldErrors.Quote(key)}: {keyErrors}");
        if (isNegated)
            return new(key, LabelOperator.DoesNotExist, []);
        if (Peek().Token is Token.End or Token.Comma)
            return new(key, LabelOperator.Exists, []);

        var (operation, literal) = Next(isOperator: true);
        var comparison = operation switch
        {
            Token.In => LabelOperator.In,
            Token.NotIn => LabelOperator.NotIn,
            Token.Equals => LabelOperator.Equals,
            Token.DoubleEquals => LabelOperator.DoubleEquals,
            Token.NotEquals => LabelOperator.NotEquals,
            Token.GreaterThan => LabelOperator.GreaterThan,
            Token.LessThan => LabelOperator.LessThan,
            _ => throw new FormatException($"found '{literal}', expected: in, notin, =, ==, !=, gt, lt"),
        };
        var values = comparison is LabelOperator.In or LabelOperator.NotIn ? ParseValues() : [ParseExactValue()];
        return Checked(new(key, comparison, values));
    }

    private static LabelRequirement Checked(LabelRequirement requirement)
    {
        for (var i = 0; i < requirement.Values.Length; i++)
        {
            var value = requirement.Values[i];
            if (requirement.Operator is LabelOperator.GreaterThan or LabelOperator.LessThan
                && !long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
                throw new FormatException($"values[{i}]: Invalid value: {FieldErrors.Quote(value)}: for 'Gt', 'Lt' operators, the value must be an integer");
            if (string.Join("; ", Names.LabelValue(value)) is { Length: > 0 } errors)
                throw new FormatException($"values[{i}][{requirement.Key}]: Invalid value: {FieldErrors.Quote(value)}: {errors}");
        }
        return requirement;
    }

    private string[] ParseValues()
    {
        var (token, literal) = Next();
        if (token != Token.Open)
            throw new FormatException($"found '{literal}' expected: '('");
        (token, literal) = Peek();
        switch (token)
        {
            case Token.Identifier or Token.Comma:
                var values = ParseIdentifiers();
                if (Next().Token != Token.Close)
                    throw new FormatException($"found '{literal}', expected: ')'");
                return [.. values];
            case Token.Close:
                Next();
                return [""];
            default:
                throw new FormatException($"found '{literal}', expected: ',', ')' or identifier");
        }
    }

    private SortedSet<string> ParseIdentifiers()
    {
        var values = new SortedSet<string>(StringComparer.Ordinal);
        while (true)
        {
            var (token, literal) = Next();
            switch (token)
            {
                case Token.Identifier:
                    values.Add(literal);
                    var (next, nextLiteral) = Peek();
                    if (next == Token.Close)
                        return values;
                    if (next != Token.Comma)
                        throw new FormatException($"found '{nextLiteral}', expected: ',' or ')'");
                    break;
                case Token.Comma: // "(,", ",)" and ",," each hold an empty value
                    if (values.Count == 0)
                        values.Add("");
                    if (Peek().Token == Token.Close)
                    {
                        values.Add("");
                        return values;
                    }
                    if (Peek().Token == Token.Comma)
                    {
                        Next();
                        values.Add("");
                    }
                    break;
                default:
                    throw new FormatException($"found '{literal}', expected: ',', or identifier");
            }
        }
    }

    private string ParseExactValue()
    {
        if (Peek().Token is Token.End or Token.Comma)
            return "";
        var (token, literal) = Next();
        return token == Token.Identifier ? literal : throw new FormatException($"found '{literal}', expected: identifier");
    }

    private (Token Token, string Literal) Peek()
    {
        var position = _position;
        var token = Next();
        _position = position;
        return token;
    }

    private (Token Token, string Literal) Next(bool isOperator = false)
    {
        while (_position < text.Length && text[_position] is ' ' or '\t' or '\r' or '\n')
            _position++;
        if (_position == text.Length)
            return (Token.End, "");
        var start = _position;
        if (!IsSpecial(text[start]))
        {
            while (_position < text.Length && !IsSpecial(text[_position]) && text[_position] is not (' ' or '\t' or '\r' or '\n'))
                _position++;
            var word = text[start.._position];
            // "in" and "notin" are words of the language only where an operator may stand.
            return (isOperator ? word switch { "in" => Token.In, "notin" => Token.NotIn, _ => Token.Identifier } : Token.Identifier, word);
        }
        var two = text.AsSpan(start, Math.Min(2, text.Length - start));
        if (two is "==" or "!=")
        {
            _position += 2;
            return (two is "==" ? Token.DoubleEquals : Token.NotEquals, two.ToString());
        }
        _position++;
        return (text[start] switch
        {
            '=' => Token.Equals,
            '!' => Token.Not,
            '(' => Token.Open,
            ')' => Token.Close,
            ',' => Token.Comma,
            '>' => Token.GreaterThan,
            '<' => Token.LessThan,
            _ => Token.Unknown,
        }, text[start].ToString());
    }

    private static bool IsSpecial(char symbol) => symbol is '=' or '!' or '(' or ')' or ',' or '>' or '<';
}
