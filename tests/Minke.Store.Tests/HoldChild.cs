using Microsoft.Extensions.Logging.Abstractions;

namespace Minke.Store.Tests;

/// <summary>A second process: opens a store, says so, and holds it until its input ends.</summary>
internal static class HoldChild
{
    public static async Task<int> RunAsync(string directory)
    {
        try
        {
            await using var store = await StateStore.OpenAsync(directory, new(), TimeProvider.System, NullLogger<StateStore>.Instance);
            Console.WriteLine("open");
            await Console.In.ReadToEndAsync();
            return 0;
        }
        catch (StoreInUseException exception)
        {
            Console.WriteLine(exception.Message);
            return 3;
        }
    }
}
