namespace Minke.Cel;

/// <summary>An expression has cost all it may.</summary>
internal sealed class CostLimitException : Exception;
