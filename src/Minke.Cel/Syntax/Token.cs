namespace Minke.Cel.Syntax;

internal enum TokenKind
{
    End, Identifier, Integer, Unsigned, Floating, String, Bytes, True, False, Null, In,
    Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, And, Or,
    OpenBracket, CloseBracket, OpenBrace, CloseBrace, OpenParenthesis, CloseParenthesis,
    Dot, Comma, Minus, Not, Question, Colon, Plus, Star, Slash, Percent,
}

/// <summary>One word of an expression.</summary>
/// <param name="Text">As written.</param>
/// <param name="Start">In code points.</param>
internal readonly record struct Token(TokenKind Kind, string Text, int Start, int End);
