using System.Globalization;
using Minke.Cel.Values;

namespace Minke.Cel.Syntax;

/// <summary>
/// Recursive descent over the CEL grammar. It stops at the first syntax error, where cel-go's generated parser recovers and goes on: the
/// first message is the same, follow-ups are not given.
/// </summary>
internal sealed class Parser
{
    /// <summary>As cel-go's defaults: nesting of rules, and code points.</summary>
    public const int MaxDepth = 250, MaxLength = 100_000;

    private const string ExpressionStart =
        "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";

    private static readonly HashSet<string> Reserved = new(StringComparer.Ordinal)
    {
        "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop", "package", "namespace",
        "null", "return", "true", "var", "void", "while",
    };

    private readonly SourceText _source;
    private readonly MacroSet _macros;
    private readonly List<CelIssue> _issues;
    private readonly List<Token> _tokens;
    private int _next;
    private int _depth;

    private Parser(SourceText source, MacroSet macros, List<CelIssue> issues)
    {
        _source = source;
        _macros = macros;
        _issues = issues;
        _tokens = new Lexer(source, issues).Read();
    }

    /// <summary>Null when there are issues.</summary>
    public static Expression? Parse(SourceText source, MacroSet macros, List<CelIssue> issues)
    {
        if (source.Length > MaxLength)
        {
            issues.Add(CelIssue.Nowhere($"expression code point size exceeds limit: size: {source.Length}, limit {MaxLength}"));
            return null;
        }
        Expression? expression = null;
        try
        {
            var parser = new Parser(source, macros, issues);
            expression = parser.Conditional();
            if (parser.Peek.Kind != TokenKind.End)
                throw parser.Unexpected("<EOF>");
        }
        catch (SyntaxException error)
        {
            issues.Add(error.Position < 0 ? CelIssue.Nowhere(error.Message) : CelIssue.At(source, error.Position, error.Message));
        }
        issues.Sort((a, b) => (a.Line, a.Column).CompareTo((b.Line, b.Column)));
        return issues.Count == 0 ? expression : null;
    }

    private Token Peek => _tokens[_next];

    private Expression Conditional()
    {
        using var _ = Nest();
        var condition = Either();
        if (Peek.Kind != TokenKind.Question)
            return condition;
        var question = Take();
        var whenTrue = Either();
        Expect(TokenKind.Colon, "':'");
        var whenFalse = Conditional();
        return new CallExpression(question.Start, Operators.Conditional, null, [condition, whenTrue, whenFalse]);
    }

    private Expression Either() => Chain(Both, TokenKind.Or, Operators.Or);

    private Expression Both() => Chain(Relation, TokenKind.And, Operators.And);

    // A chain is one node with many arguments: no depth is lost to it.
    private Expression Chain(Func<Expression> operand, TokenKind kind, string function)
    {
        var first = operand();
        if (Peek.Kind != kind)
            return first;
        var position = Peek.Start;
        var terms = new List<Expression> { first };
        while (Peek.Kind == kind)
        {
            Take();
            terms.Add(operand());
        }
        return new CallExpression(position, function, null, terms);
    }

    private Expression Relation()
    {
        var left = Sum();
        for (var links = 1; ; links++)
        {
            var function = Peek.Kind switch
            {
                TokenKind.Less => Operators.Less,
                TokenKind.LessEqual => Operators.LessEqual,
                TokenKind.Greater => Operators.Greater,
                TokenKind.GreaterEqual => Operators.GreaterEqual,
                TokenKind.Equal => Operators.Equal,
                TokenKind.NotEqual => Operators.NotEqual,
                TokenKind.In => Operators.In,
                _ => null,
            };
            if (function is null)
                return left;
            CheckDepth(links);
            var position = Take().Start;
            left = new CallExpression(position, function, null, [left, Sum()]);
        }
    }

    private Expression Sum()
    {
        var left = Product();
        for (var links = 1; Peek.Kind is TokenKind.Plus or TokenKind.Minus; links++)
        {
            CheckDepth(links);
            var token = Take();
            left = new CallExpression(token.Start, token.Kind == TokenKind.Plus ? Operators.Add : Operators.Subtract, null, [left, Product()]);
        }
        return left;
    }

    private Expression Product()
    {
        var left = Unary();
        for (var links = 1; Peek.Kind is TokenKind.Star or TokenKind.Slash or TokenKind.Percent; links++)
        {
            CheckDepth(links);
            var token = Take();
            var function = token.Kind switch { TokenKind.Star => Operators.Multiply, TokenKind.Slash => Operators.Divide, _ => Operators.Modulo };
            left = new CallExpression(token.Start, function, null, [left, Unary()]);
        }
        return left;
    }

    private Expression Unary()
    {
        if (Peek.Kind is not (TokenKind.Not or TokenKind.Minus))
            return Member();
        var first = Peek;
        // A minus sign belongs to the number after it.
        if (first.Kind == TokenKind.Minus && _tokens[_next + 1].Kind is TokenKind.Integer or TokenKind.Floating)
            return Member();
        var count = 0;
        for (; Peek.Kind == first.Kind; count++)
            Take();
        var operand = Member();
        return count % 2 == 0 ? operand : new CallExpression(first.Start, first.Kind == TokenKind.Not ? Operators.Not : Operators.Negate, null, [operand]);
    }

    private Expression Member()
    {
        var expression = Primary();
        for (var links = 1; ; links++)
        {
            CheckDepth(links);
            var token = Peek;
            switch (token.Kind)
            {
                case TokenKind.Dot:
                    Take();
                    expression = Selection(expression, token);
                    break;
                case TokenKind.OpenBracket:
                    Take();
                    var isOptional = TakeIf(TokenKind.Question);
                    var index = Conditional();
                    Expect(TokenKind.CloseBracket, "']'");
                    expression = new CallExpression(token.Start, isOptional ? Operators.OptionalIndex : Operators.Index, null, [expression, index]);
                    break;
                case TokenKind.OpenBrace when QualifiedName(expression) is { } name:
                    Take();
                    expression = Struct(token, name);
                    break;
                default:
                    return expression;
            }
        }
    }

    private Expression Selection(Expression operand, Token dot)
    {
        var isOptional = TakeIf(TokenKind.Question);
        // "in" and the literals' words are tokens of their own, so never a field.
        if (Peek.Kind != TokenKind.Identifier)
            throw new SyntaxException(Peek.Start, $"Syntax error: no viable alternative at input '.{(isOptional ? "?" : "")}{Shown(Peek)}'");
        var name = Take();
        if (isOptional)
            return new CallExpression(dot.Start, Operators.OptionalSelect, null, [operand, new LiteralExpression(name.Start, new StringValue(name.Text))]);
        if (Peek.Kind != TokenKind.OpenParenthesis)
            return new SelectExpression(dot.Start, operand, name.Text, isTest: false);

        var open = Take();
        var arguments = Arguments(TokenKind.CloseParenthesis);
        return _macros.Expand(open.Start, name.Text, operand, arguments) ?? new CallExpression(open.Start, name.Text, operand, arguments);
    }

    private Expression Primary()
    {
        var token = Peek;
        switch (token.Kind)
        {
            case TokenKind.OpenParenthesis:
                Take();
                var inner = Conditional();
                Expect(TokenKind.CloseParenthesis, "')'");
                return inner;
            case TokenKind.OpenBracket:
                Take();
                return List(token);
            case TokenKind.OpenBrace:
                Take();
                return Map(token);
            case TokenKind.Identifier:
                Take();
                return IdentifierOrCall(token, token.Text);
            case TokenKind.Dot when _tokens[_next + 1].Kind == TokenKind.Identifier:
                Take();
                return IdentifierOrCall(Peek, "." + Take().Text);
            case TokenKind.Minus when _tokens[_next + 1].Kind is TokenKind.Integer or TokenKind.Floating:
                Take();
                return Literal(Take(), isNegative: true, token.Start);
            case TokenKind.Integer or TokenKind.Unsigned or TokenKind.Floating or TokenKind.String or TokenKind.Bytes
                or TokenKind.True or TokenKind.False or TokenKind.Null:
                Take();
                return Literal(token, isNegative: false, token.Start);
            default:
                throw Unexpected(ExpressionStart);
        }
    }

    private Expression IdentifierOrCall(Token token, string name)
    {
        if (Reserved.Contains(name))
            throw new SyntaxException(token.Start, $"reserved identifier: {name}");
        if (Peek.Kind != TokenKind.OpenParenthesis)
            return new IdentifierExpression(token.Start, name);
        var open = Take();
        var arguments = Arguments(TokenKind.CloseParenthesis);
        return _macros.Expand(open.Start, name, null, arguments) ?? new CallExpression(open.Start, name, null, arguments);
    }

    private List<Expression> Arguments(TokenKind close)
    {
        var arguments = new List<Expression>();
        if (TakeIf(close))
            return arguments;
        do
            arguments.Add(Conditional());
        while (TakeIf(TokenKind.Comma));
        Expect(close, "')'");
        return arguments;
    }

    private ListExpression List(Token open)
    {
        var elements = new List<Expression>();
        var optionals = new List<int>();
        while (Peek.Kind != TokenKind.CloseBracket)
        {
            if (TakeIf(TokenKind.Question))
                optionals.Add(elements.Count);
            elements.Add(Conditional());
            if (!TakeIf(TokenKind.Comma))
                break;
        }
        Expect(TokenKind.CloseBracket, "']'");
        return new ListExpression(open.Start, elements, optionals);
    }

    private MapExpression Map(Token open)
    {
        var entries = new List<MapEntry>();
        while (Peek.Kind != TokenKind.CloseBrace)
        {
            var isOptional = TakeIf(TokenKind.Question);
            var key = Conditional();
            var colon = Expect(TokenKind.Colon, "':'");
            entries.Add(new MapEntry(colon.Start, key, Conditional(), isOptional));
            if (!TakeIf(TokenKind.Comma))
                break;
        }
        Expect(TokenKind.CloseBrace, "'}'");
        return new MapExpression(open.Start, entries);
    }

    private StructExpression Struct(Token open, string name)
    {
        var fields = new List<FieldEntry>();
        while (Peek.Kind != TokenKind.CloseBrace)
        {
            var isOptional = TakeIf(TokenKind.Question);
            var field = Expect(TokenKind.Identifier, "IDENTIFIER");
            var colon = Expect(TokenKind.Colon, "':'");
            fields.Add(new FieldEntry(colon.Start, field.Text, Conditional(), isOptional));
            if (!TakeIf(TokenKind.Comma))
                break;
        }
        Expect(TokenKind.CloseBrace, "'}'");
        return new StructExpression(open.Start, name, fields);
    }

    private static LiteralExpression Literal(Token token, bool isNegative, int position)
    {
        var text = token.Text;
        switch (token.Kind)
        {
            case TokenKind.True: return new LiteralExpression(position, BoolValue.True);
            case TokenKind.False: return new LiteralExpression(position, BoolValue.False);
            case TokenKind.Null: return new LiteralExpression(position, NullValue.Instance);
            case TokenKind.Integer:
                return Literals.TryInteger(text, isNegative, out var integer)
                    ? new LiteralExpression(position, new IntValue(integer))
                    : throw new SyntaxException(position, "invalid int literal");
            case TokenKind.Unsigned:
                return Literals.TryUnsigned(text[..^1], out var unsigned)
                    ? new LiteralExpression(position, new UintValue(unsigned))
                    : throw new SyntaxException(position, "invalid uint literal");
            case TokenKind.Floating:
                var number = double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
                return double.IsFinite(number)
                    ? new LiteralExpression(position, new DoubleValue(isNegative ? -number : number))
                    : throw new SyntaxException(position, "invalid double literal");
            case TokenKind.Bytes:
                return Literals.TryUnquoteBytes(text, out var bytes)
                    ? new LiteralExpression(position, new BytesValue(bytes))
                    : throw new SyntaxException(position, "Syntax error: token recognition error at: '" + text + "'");
            default:
                return Literals.TryUnquote(text, out var unquoted)
                    ? new LiteralExpression(position, new StringValue(unquoted))
                    : throw new SyntaxException(position, "Syntax error: token recognition error at: '" + text + "'");
        }
    }

    /// <summary><c>a.b.c</c> of nothing but names, else null.</summary>
    internal static string? QualifiedName(Expression expression) => expression switch
    {
        IdentifierExpression identifier => identifier.Name,
        SelectExpression { IsTest: false } select when QualifiedName(select.Operand) is { } prefix => prefix + "." + select.Field,
        _ => null,
    };

    private Token Take() => _tokens[_next++];

    private bool TakeIf(TokenKind kind)
    {
        if (Peek.Kind != kind)
            return false;
        _next++;
        return true;
    }

    private Token Expect(TokenKind kind, string shown) => Peek.Kind == kind ? Take() : throw Unexpected(shown);

    // As ANTLR words it: a token too many, when the one after it would do; else a mismatch.
    private SyntaxException Unexpected(string expected)
    {
        var following = Peek.Kind == TokenKind.End ? TokenKind.End : _tokens[_next + 1].Kind;
        var fits = expected switch
        {
            "<EOF>" => following == TokenKind.End && Peek.Kind != TokenKind.End,
            ExpressionStart => Peek.Kind != TokenKind.End && StartsExpression(following),
            _ => false,
        };
        return new SyntaxException(Peek.Start, $"Syntax error: {(fits ? "extraneous" : "mismatched")} input '{Shown(Peek)}' expecting {expected}");
    }

    private static bool StartsExpression(TokenKind kind) => kind is TokenKind.OpenBracket or TokenKind.OpenBrace or TokenKind.OpenParenthesis
        or TokenKind.Dot or TokenKind.Minus or TokenKind.Not or TokenKind.True or TokenKind.False or TokenKind.Null or TokenKind.Floating
        or TokenKind.Integer or TokenKind.Unsigned or TokenKind.String or TokenKind.Bytes or TokenKind.Identifier;

    private static string Shown(Token token) => token.Text;

    private Nesting Nest()
    {
        CheckDepth(++_depth);
        return new Nesting(this);
    }

    private static void CheckDepth(int depth)
    {
        if (depth >= MaxDepth)
            throw new SyntaxException(-1, $"expression recursion limit exceeded: {MaxDepth}");
    }

    private readonly struct Nesting(Parser parser) : IDisposable
    {
        public void Dispose() => parser._depth--;
    }
}

/// <summary>The end of parsing; -1 for a position that is none.</summary>
internal sealed class SyntaxException(int position, string message) : Exception(message)
{
    public int Position { get; } = position;
}
