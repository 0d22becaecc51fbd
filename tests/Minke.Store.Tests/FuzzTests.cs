using Minke.Store.Log.Sealing;
using Minke.TestSupport.Fuzzing;

namespace Minke.Store.Tests;

/// <summary>What lies on disk and may have been damaged.</summary>
public sealed class FuzzTests
{
    [Fact]
    public void Sealed_values()
    {
        var file = Path.GetTempFileName();
        File.WriteAllText(file, $"one {Convert.ToBase64String(new byte[32])}\n");
        var keys = SealingKeys.Open(file);
        File.Delete(file);
        var value = "{}"u8.ToArray();
        Assert.Equal(value, SealedValue.Open("/secrets/a", SealedValue.Seal("/secrets/a", value, keys), keys, out _));
        Fuzz.Run("sealed-value", input => Assert.Null(SealedValue.Open("/secrets/a", input, keys, out _)), [typeof(StoreCorruptException)]);
    }
}
