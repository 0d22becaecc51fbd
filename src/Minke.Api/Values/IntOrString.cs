using System.Globalization;

namespace Minke.Api;

/// <summary>A number or a text: ports by number or name, counts or percentages. (intstr.IntOrString)</summary>
public readonly record struct IntOrString
{
    public IntOrString(int number) => Number = number;
    public IntOrString(string text) => Text = text;

    public int Number { get; }

    /// <summary>Null for a number.</summary>
    public string? Text { get; }
    public bool IsText => Text is not null;

    public override string ToString() => Text ?? Number.ToString(CultureInfo.InvariantCulture);

    public static implicit operator IntOrString(int number) => new(number);
    public static implicit operator IntOrString(string text) => new(text);
}
