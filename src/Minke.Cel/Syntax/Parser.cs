using System.Globalization;
using Minke.Cel.Values;

namespace Minke.Cel.Syntax;

/// <summary>
/// Recursive descent over the CEL grammar. Errors do not end it: those of syntax are recovered from (<see cref="TokenCursor"/>), the others
/// leave a placeholder in the tree, which nobody sees since there is an issue.
/// </summary>
internal sealed class Parser
{
    /// <summary>As cel-go's defaults: nesting of expressions, operators and steps on top of each other, and code points.</summary>
    public const int MaxDepth = 250, MaxLength = 100_000;

    // What is expected, in the order of the grammar's tokens.
    private const string Constants = "'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";
    private const string ExpressionStart = "{'[', '{', '(', '.', '-', '!', " + Constants;
    private const string ArgumentsStart = "{'[', '{', '(', ')', '.', '-', '!', " + Constants;
    private const string ListStart = "{'[', ']', '{', '(', '.', ',', '-', '!', '?', " + Constants;
    private const string MapStart = "{'[', '{', '}', '(', '.', ',', '-', '!', '?', " + Constants;
    private const string FieldsStart = "{'}', ',', '?', IDENTIFIER}";

    private static readonly HashSet<string> Reserved = new(StringComparer.Ordinal)
    {
        "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop", "package", "namespace",
        "null", "return", "true", "var", "void", "while",
    };

    private readonly SourceText _source;
    private readonly MacroSet _macros;
    private readonly List<CelIssue> _issues;
    private readonly TokenCursor _tokens;
    private int _depth;

    private Parser(SourceText source, MacroSet macros, List<CelIssue> issues)
    {
        _source = source;
        _macros = macros;
        _issues = issues;
        _tokens = new TokenCursor(source, new Lexer(source, issues).Read(), issues);
    }

    /// <summary>Null when there are issues.</summary>
    public static Expression? Parse(SourceText source, MacroSet macros, List<CelIssue> issues)
    {
        if (source.Length > MaxLength)
        {
            issues.Add(CelIssue.Nowhere($"expression code point size exceeds limit: size: {source.Length}, limit {MaxLength}"));
            return null;
        }
        var expression = new Parser(source, macros, issues).Whole();
        CelIssue[] sorted = [.. issues.OrderBy(issue => (issue.Line, issue.Column))];
        issues.Clear();
        issues.AddRange(sorted);
        return issues.Count == 0 ? expression : null;
    }

    private Expression? Whole()
    {
        try
        {
            var expression = Conditional();
            _tokens.Expect(TokenKind.End, "<EOF>", _ => false);
            return expression;
        }
        catch (SyntaxException error) when (error.Position >= 0)
        {
            _tokens.Tell(error);
        }
        catch (SyntaxException error)
        {
            if (error.Message.Length > 0)
                _issues.Add(CelIssue.Nowhere(error.Message));
        }
        return null;
    }

    private Expression Conditional()
    {
        using var _ = Nest();
        var condition = Either();
        if (_tokens.Peek.Kind != TokenKind.Question)
            return condition;
        var question = _tokens.Take();
        try
        {
            var whenTrue = _tokens.Within([TokenKind.Colon], Either);
            _tokens.Expect(TokenKind.Colon, "':'", TokenCursor.StartsExpression);
            var whenFalse = Conditional();
            return Deeper(new CallExpression(question.Start, Operators.Conditional, null, [condition, whenTrue, whenFalse]), condition, whenTrue, whenFalse);
        }
        catch (SyntaxException error) when (error.Position >= 0)
        {
            return Recovered(error);
        }
    }

    private Expression Either() => Chain(Both, TokenKind.Or, Operators.Or);

    private Expression Both() => Chain(Relation, TokenKind.And, Operators.And);

    // A chain is one node with many arguments: no depth is lost to it.
    private Expression Chain(Func<Expression> operand, TokenKind kind, string function)
    {
        var first = operand();
        if (_tokens.Peek.Kind != kind)
            return first;
        var position = _tokens.Peek.Start;
        var terms = new List<Expression> { first };
        while (_tokens.TakeIf(kind))
            terms.Add(operand());
        return AsDeep(new CallExpression(position, function, null, terms), terms);
    }

    private Expression Relation() => Binary(Sum, kind => kind switch
    {
        TokenKind.Less => Operators.Less,
        TokenKind.LessEqual => Operators.LessEqual,
        TokenKind.Greater => Operators.Greater,
        TokenKind.GreaterEqual => Operators.GreaterEqual,
        TokenKind.Equal => Operators.Equal,
        TokenKind.NotEqual => Operators.NotEqual,
        TokenKind.In => Operators.In,
        _ => null,
    });

    private Expression Sum() => Binary(Product, kind => kind switch
    {
        TokenKind.Plus => Operators.Add,
        TokenKind.Minus => Operators.Subtract,
        _ => null,
    });

    private Expression Product() => Binary(Unary, kind => kind switch
    {
        TokenKind.Star => Operators.Multiply,
        TokenKind.Slash => Operators.Divide,
        TokenKind.Percent => Operators.Modulo,
        _ => null,
    });

    private Expression Binary(Func<Expression> operand, Func<TokenKind, string?> functionOf)
    {
        var left = operand();
        while (functionOf(_tokens.Peek.Kind) is { } function)
        {
            var position = _tokens.Take().Start;
            var right = operand();
            left = Deeper(new CallExpression(position, function, null, [left, right]), left, right);
        }
        return left;
    }

    private Expression Unary()
    {
        try
        {
            _tokens.Expect(TokenCursor.StartsExpression, ExpressionStart);
        }
        catch (SyntaxException error)
        {
            return Recovered(error);
        }
        var first = _tokens.Peek;
        // A minus sign belongs to the number after it.
        if (first.Kind is not (TokenKind.Not or TokenKind.Minus) || IsNegativeNumber)
            return Member();
        var count = 0;
        for (; _tokens.Peek.Kind == first.Kind; count++)
            _tokens.Take();
        var operand = Member();
        return count % 2 == 0 ? operand
            : AsDeep(new CallExpression(first.Start, first.Kind == TokenKind.Not ? Operators.Not : Operators.Negate, null, [operand]), operand);
    }

    private bool IsNegativeNumber => _tokens is { Peek.Kind: TokenKind.Minus, Following.Kind: TokenKind.Integer or TokenKind.Floating };

    private Expression Member()
    {
        try
        {
            var expression = Primary();
            while (true)
            {
                var token = _tokens.Peek;
                switch (token.Kind)
                {
                    case TokenKind.Dot:
                        _tokens.Take();
                        expression = Selection(expression, token);
                        break;
                    case TokenKind.OpenBracket:
                        _tokens.Take();
                        expression = Indexing(expression, token);
                        break;
                    case TokenKind.OpenBrace when QualifiedName(expression) is { } name:
                        _tokens.Take();
                        expression = Struct(token, name);
                        break;
                    default:
                        return expression;
                }
            }
        }
        catch (SyntaxException error) when (error.Position >= 0)
        {
            return Recovered(error);
        }
    }

    private Expression Indexing(Expression operand, Token bracket)
    {
        var isOptional = _tokens.TakeIf(TokenKind.Question);
        var index = _tokens.Within([TokenKind.CloseBracket], Conditional);
        _tokens.Expect(TokenKind.CloseBracket, "']'", _tokens.MayFollow);
        return Deeper(new CallExpression(bracket.Start, isOptional ? Operators.OptionalIndex : Operators.Index, null, [operand, index]), operand, index);
    }

    private Expression Selection(Expression operand, Token dot)
    {
        var isOptional = _tokens.TakeIf(TokenKind.Question);
        var name = Field(operand, isOptional);
        if (isOptional)
        {
            var field = new LiteralExpression(name.Start, new StringValue(name.Text));
            return Deeper(new CallExpression(dot.Start, Operators.OptionalSelect, null, [operand, field]), operand);
        }
        if (_tokens.Peek.Kind != TokenKind.OpenParenthesis)
            return Deeper(new SelectExpression(dot.Start, operand, name.Text, isTest: false), operand);
        return Call(_tokens.Take(), name.Text, operand);
    }

    // "in" and the literals' words are tokens of their own, so never a field. A path of names could still become the name of a type, so
    // that cel-go knows what it misses; after anything else it does not.
    private Token Field(Expression operand, bool isOptional)
    {
        if (isOptional || !IsPath(operand))
        {
            return _tokens.Peek.Kind == TokenKind.Identifier ? _tokens.Take()
                : throw NoAlternative(isOptional ? ".?" : ".");
        }
        return _tokens.Expect(TokenKind.Identifier, "IDENTIFIER", kind => kind is TokenKind.Dot or TokenKind.OpenBrace);
    }

    private SyntaxException NoAlternative(string begin) =>
        new(_tokens.Peek.Start, $"no viable alternative at input '{begin}{(_tokens.Peek.Kind == TokenKind.End ? "" : _tokens.Peek.Text)}'");

    private Expression Primary()
    {
        var token = _tokens.Peek;
        var isNegative = IsNegativeNumber;
        switch (token.Kind)
        {
            case TokenKind.OpenParenthesis:
                _tokens.Take();
                var inner = _tokens.Within([TokenKind.CloseParenthesis], Conditional);
                _tokens.Expect(TokenKind.CloseParenthesis, "')'", _tokens.MayFollow);
                return inner;
            case TokenKind.OpenBracket:
                return List(_tokens.Take());
            case TokenKind.OpenBrace:
                return Map(_tokens.Take());
            case TokenKind.Identifier:
                return IdentifierOrCall(token, _tokens.Take().Text);
            case TokenKind.Dot:
                _tokens.Take();
                return _tokens.Peek.Kind == TokenKind.Identifier ? IdentifierOrCall(_tokens.Peek, "." + _tokens.Take().Text) : throw NoAlternative(".");
            case TokenKind.Minus when isNegative:
                _tokens.Take();
                return Literal(_tokens.Take(), isNegative, token.Start);
            case TokenKind.Integer or TokenKind.Unsigned or TokenKind.Floating or TokenKind.String or TokenKind.Bytes
                or TokenKind.True or TokenKind.False or TokenKind.Null:
                return Literal(_tokens.Take(), isNegative, token.Start);
            default:
                throw _tokens.Mismatch(ExpressionStart);
        }
    }

    private Expression IdentifierOrCall(Token token, string name)
    {
        Expression identifier = Reserved.Contains(name) ? Complain(token.Start, $"reserved identifier: {name}") : new IdentifierExpression(token.Start, name);
        return _tokens.Peek.Kind == TokenKind.OpenParenthesis ? Call(_tokens.Take(), name, null) : identifier;
    }

    private Expression Call(Token open, string name, Expression? target)
    {
        var arguments = Arguments();
        try
        {
            var call = _macros.Expand(open.Start, name, target, arguments) ?? new CallExpression(open.Start, name, target, arguments);
            return target is null ? AsDeep(call, arguments) : Deeper(call, [target, .. arguments]);
        }
        catch (SyntaxException error) when (error.Position >= 0)
        {
            return Complain(error.Position, error.Message);
        }
    }

    private List<Expression> Arguments()
    {
        _tokens.Expect(kind => kind == TokenKind.CloseParenthesis || TokenCursor.StartsExpression(kind), ArgumentsStart);
        var arguments = new List<Expression>();
        if (_tokens.Peek.Kind != TokenKind.CloseParenthesis)
        {
            do
                arguments.Add(_tokens.Within([TokenKind.Comma, TokenKind.CloseParenthesis], Conditional));
            while (_tokens.TakeIf(TokenKind.Comma));
        }
        _tokens.Expect(TokenKind.CloseParenthesis, "')'", _tokens.MayFollow);
        return arguments;
    }

    private Expression List(Token open)
    {
        var elements = new List<Expression>();
        var optionals = new List<int>();
        Items(TokenKind.CloseBracket, "']'", kind => kind == TokenKind.Question || TokenCursor.StartsExpression(kind), ListStart, ends =>
        {
            if (_tokens.TakeIf(TokenKind.Question))
                optionals.Add(elements.Count);
            elements.Add(_tokens.Within(ends, Conditional));
        });
        return AsDeep(new ListExpression(open.Start, elements, optionals), elements);
    }

    private Expression Map(Token open)
    {
        var entries = new List<MapEntry>();
        Items(TokenKind.CloseBrace, "'}'", kind => kind == TokenKind.Question || TokenCursor.StartsExpression(kind), MapStart, ends =>
        {
            var isOptional = _tokens.TakeIf(TokenKind.Question);
            var key = _tokens.Within([TokenKind.Colon, .. ends], Conditional);
            var colon = _tokens.Expect(TokenKind.Colon, "':'", TokenCursor.StartsExpression);
            entries.Add(new MapEntry(colon.Start, key, _tokens.Within(ends, Conditional), isOptional));
        });
        return AsDeep(new MapExpression(open.Start, entries), [.. entries.SelectMany(entry => new[] { entry.Key, entry.Value })]);
    }

    private Expression Struct(Token open, string name)
    {
        var fields = new List<FieldEntry>();
        Items(TokenKind.CloseBrace, "'}'", kind => kind is TokenKind.Question or TokenKind.Identifier, FieldsStart, ends =>
        {
            var isOptional = _tokens.TakeIf(TokenKind.Question);
            var field = _tokens.Expect(TokenKind.Identifier, "IDENTIFIER", kind => kind == TokenKind.Colon);
            var colon = _tokens.Expect(TokenKind.Colon, "':'", TokenCursor.StartsExpression);
            fields.Add(new FieldEntry(colon.Start, field.Text, _tokens.Within(ends, Conditional), isOptional));
        });
        return AsDeep(new StructExpression(open.Start, name, fields), [.. fields.Select(field => field.Value)]);
    }

    // Items with commas between them, and one more comma if need be.
    private void Items(TokenKind close, string shownClose, Func<TokenKind, bool> starts, string shownStart, Action<TokenKind[]> read)
    {
        _tokens.Expect(kind => kind == close || kind == TokenKind.Comma || starts(kind), shownStart);
        try
        {
            while (starts(_tokens.Peek.Kind))
            {
                read([TokenKind.Comma, close]);
                if (!_tokens.TakeIf(TokenKind.Comma))
                    break;
            }
        }
        catch (SyntaxException error) when (error.Position >= 0)
        {
            _tokens.Within([TokenKind.Comma, close], () => Recovered(error));
        }
        _tokens.TakeIf(TokenKind.Comma);
        _tokens.Expect(kind => kind == close, $"{{{shownClose}, ','}}");
        _tokens.Expect(close, shownClose, _tokens.MayFollow);
    }

    private LiteralExpression Literal(Token token, bool isNegative, int position)
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
                    : Complain(position, "invalid int literal");
            case TokenKind.Unsigned:
                return Literals.TryUnsigned(text[..^1], out var unsigned)
                    ? new LiteralExpression(position, new UintValue(unsigned))
                    : Complain(position, "invalid uint literal");
            case TokenKind.Floating:
                var number = double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
                return double.IsFinite(number)
                    ? new LiteralExpression(position, new DoubleValue(isNegative ? -number : number))
                    : Complain(position, "invalid double literal");
            case TokenKind.Bytes:
                return Literals.TryUnquoteBytes(text, out var bytes)
                    ? new LiteralExpression(position, new BytesValue(bytes))
                    : Complain(position, "unable to unescape string");
            default:
                return Literals.TryUnquote(text, out var unquoted)
                    ? new LiteralExpression(position, new StringValue(unquoted))
                    : Complain(position, "invalid unicode code point");
        }
    }

    /// <summary><c>a.b.c</c> of nothing but names, and no longer than <paramref name="longest"/>; else null.</summary>
    internal static string? QualifiedName(Expression expression, int longest = int.MaxValue)
    {
        if (expression is IdentifierExpression identifier)
            return identifier.Name;
        if (!IsPath(expression, longest))
            return null;
        var names = new Stack<string>();
        for (; expression is SelectExpression select; expression = select.Operand)
            names.Push(select.Field);
        names.Push(((IdentifierExpression)expression).Name);
        return string.Join('.', names);
    }

    private static bool IsPath(Expression expression, int longest = int.MaxValue)
    {
        for (; expression is SelectExpression { IsTest: false } select && longest > 0; expression = select.Operand)
            longest -= select.Field.Length + 1;
        return expression is IdentifierExpression && longest > 0;
    }

    private LiteralExpression Complain(int position, string message)
    {
        _issues.Add(CelIssue.At(_source, position, message));
        return new LiteralExpression(position, NullValue.Instance);
    }

    private LiteralExpression Recovered(SyntaxException error)
    {
        _tokens.Recover(error);
        return new LiteralExpression(error.Position, NullValue.Instance);
    }

    private static Expression AsDeep(Expression expression, params IReadOnlyList<Expression> parts)
    {
        foreach (var part in parts)
            expression.Depth = Math.Max(expression.Depth, part.Depth);
        return expression;
    }

    // Macros too count as one step, whatever they become.
    private static Expression Deeper(Expression expression, params IReadOnlyList<Expression> parts) =>
        ++AsDeep(expression, parts).Depth <= MaxDepth ? expression : throw new SyntaxException(-1, "max recursion depth exceeded");

    private Nesting Nest()
    {
        if (++_depth > MaxDepth)
            throw new SyntaxException(-1, $"expression recursion limit exceeded: {MaxDepth}");
        return new Nesting(this);
    }

    private readonly struct Nesting(Parser parser) : IDisposable
    {
        public void Dispose() => parser._depth--;
    }
}
