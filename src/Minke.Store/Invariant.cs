using System.Diagnostics.CodeAnalysis;

namespace Minke.Store;

/// <summary>What must hold for the state to be trusted. Checked in release builds too.</summary>
internal static class Invariant
{
    /// <summary>Ends the process when <paramref name="holds"/> is false: better a crash than corrupt state on disk.</summary>
    internal static void That([DoesNotReturnIf(false)] bool holds, string what)
    {
        if (!holds)
            Environment.FailFast($"the store's invariant is broken: {what}");
    }
}
