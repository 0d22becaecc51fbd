namespace Minke.Api;

/// <summary>A value already written the way Go would print it.</summary>
internal sealed record GoText(string Text)
{
    public override string ToString() => Text;

    public static string Of(bool? value) => value switch { null => "nil", true => "*true", false => "*false" };
}
