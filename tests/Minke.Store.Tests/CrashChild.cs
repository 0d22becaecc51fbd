namespace Minke.Store.Tests;

internal static class CrashChild
{
    public static Task<int> RunAsync(string[] args) => Task.FromResult(args.Length);
}
