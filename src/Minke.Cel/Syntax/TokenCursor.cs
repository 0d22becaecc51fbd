namespace Minke.Cel.Syntax;

/// <summary>
/// A place among the tokens, and what becomes of those that do not fit. As ANTLR's recovery does it, so that the errors are the ones users
/// know: a token too many is left out, one that is missing is assumed, and else it goes on at the next token that can follow. Until then
/// nothing more is told.
/// </summary>
internal sealed class TokenCursor(SourceText source, List<Token> tokens, List<CelIssue> issues)
{
    private const int MaxAttempts = 30;

    /// <summary>What can end the expressions around this place; the innermost last.</summary>
    private readonly Stack<TokenKind[]> _ends = new([[TokenKind.End]]);

    private int _next;
    private int _lastRecovery = -1;
    private int _attempts;
    private bool _isRecovering;

    public Token Peek => tokens[_next];

    public Token Following => tokens[Math.Min(_next + 1, tokens.Count - 1)];

    public Token Take()
    {
        _isRecovering = false;
        var token = Peek;
        Skip();
        return token;
    }

    public bool TakeIf(TokenKind kind)
    {
        if (Peek.Kind != kind)
            return false;
        Take();
        return true;
    }

    /// <summary>Reads what ends where one of these begins.</summary>
    public T Within<T>(TokenKind[] ends, Func<T> read)
    {
        _ends.Push(ends);
        try
        {
            return read();
        }
        finally
        {
            _ends.Pop();
        }
    }

    /// <param name="shown">How the message names it.</param>
    /// <param name="mayFollow">Of what can come after it: then it is only missing.</param>
    /// <exception cref="SyntaxException"/>
    public Token Expect(TokenKind kind, string shown, Func<TokenKind, bool> mayFollow)
    {
        if (Peek.Kind == kind)
            return Take();
        Attempt();
        if (LeaveOutOne(token => token == kind, shown))
            return Take();
        if (!mayFollow(Peek.Kind))
            throw Mismatch(shown);
        Tell(Peek, $"missing {shown} at '{Peek.Text}'");
        _isRecovering = true;
        return Peek with { Kind = kind };
    }

    /// <summary>Goes on where the next token is one of those.</summary>
    /// <exception cref="SyntaxException"/>
    public void Expect(Func<TokenKind, bool> fits, string shown)
    {
        if (!_isRecovering && !fits(Peek.Kind) && !LeaveOutOne(fits, shown))
            throw Mismatch(shown);
    }

    /// <summary>Can this come after a whole expression?</summary>
    public bool MayFollow(TokenKind kind) => IsContinuation(kind) || _ends.Peek().Contains(kind);

    public SyntaxException Mismatch(string shown) => new(Peek.Start, $"mismatched input '{Peek.Text}' expecting {shown}");

    public void Tell(SyntaxException error)
    {
        if (!_isRecovering)
            issues.Add(CelIssue.At(source, error.Position, "Syntax error: " + error.Message));
    }

    /// <summary>Tells the error and goes to what can follow here or around.</summary>
    public void Recover(SyntaxException error)
    {
        Tell(error);
        Attempt();
        _isRecovering = true;
        // Twice at one place would be for ever.
        if (_lastRecovery == _next)
            Skip();
        while (Peek.Kind != TokenKind.End && !IsContinuation(Peek.Kind) && !_ends.Any(ends => ends.Contains(Peek.Kind)))
            Skip();
        _lastRecovery = _next;
    }

    public static bool StartsExpression(TokenKind kind) => kind is TokenKind.OpenBracket or TokenKind.OpenBrace or TokenKind.OpenParenthesis
        or TokenKind.Dot or TokenKind.Minus or TokenKind.Not or TokenKind.True or TokenKind.False or TokenKind.Null or TokenKind.Floating
        or TokenKind.Integer or TokenKind.Unsigned or TokenKind.String or TokenKind.Bytes or TokenKind.Identifier;

    private static bool IsContinuation(TokenKind kind) => kind is TokenKind.Dot or TokenKind.OpenBracket or TokenKind.Question or TokenKind.In
        or (>= TokenKind.Equal and <= TokenKind.Or) or TokenKind.Minus or (>= TokenKind.Plus and <= TokenKind.Percent);

    private bool LeaveOutOne(Func<TokenKind, bool> fits, string shown)
    {
        if (Peek.Kind == TokenKind.End || !fits(Following.Kind))
            return false;
        Tell(Peek, $"extraneous input '{Peek.Text}' expecting {shown}");
        _isRecovering = false;
        Skip();
        return true;
    }

    /// <summary>Somewhere it has to end.</summary>
    private void Attempt()
    {
        if (_attempts++ < MaxAttempts)
            return;
        issues.Add(CelIssue.At(source, Peek.Start, $"Syntax error: error recovery attempt limit exceeded: {MaxAttempts}"));
        throw new SyntaxException(-1, "");
    }

    private void Tell(Token token, string message)
    {
        if (!_isRecovering)
            issues.Add(CelIssue.At(source, token.Start, "Syntax error: " + message));
    }

    private void Skip() => _next = Math.Min(_next + 1, tokens.Count - 1);
}

/// <summary>Where reading failed and why; -1 for a place that is none, and then nothing can be done about it. Without a message it is told already.</summary>
internal sealed class SyntaxException(int position, string message) : Exception(message)
{
    public int Position { get; } = position;
}
