using FsCheck;
using FsCheck.Fluent;

namespace Minke.Api.Tests.Values;

public sealed class QuantityTests
{
    [Theory]
    [InlineData("0", "0")]
    [InlineData("0.5", "500m")]
    [InlineData("1000m", "1")]
    [InlineData("1500m", "1500m")]
    [InlineData("100000", "100k")]
    [InlineData("1.5Gi", "1536Mi")]
    [InlineData("1024Ki", "1Mi")]
    [InlineData("0.5Ki", "512")]
    [InlineData("0.0001Ki", "102400u")]
    [InlineData("1e3", "1e3")]
    [InlineData("1E3", "1e3")]
    [InlineData("12000e3", "12e6")]
    [InlineData("1.1n", "2n")]
    [InlineData("-1.5", "-1500m")]
    [InlineData("1e-10", "1e-9")]
    [InlineData("9223372036854775807Ei", "9223372036854775807")]
    [InlineData("+5", "5")]
    [InlineData("5.", "5")]
    [InlineData(".5", "500m")]
    [InlineData("64Mi", "64Mi")]
    public void Text_becomes_canonical(string text, string canonical) => Assert.Equal(canonical, Quantity.Parse(text).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("x")]
    [InlineData("1.2.3")]
    [InlineData("1ki")]
    [InlineData("1KB")]
    [InlineData("1 Gi")]
    [InlineData("e3")]
    [InlineData("--1")]
    public void Nonsense_is_refused(string text) => Assert.False(Quantity.TryParse(text, out _));

    [Fact]
    public void Canonical_text_reads_back_as_itself() => Prop.ForAll(
        Gen.Choose(int.MinValue, int.MaxValue).Select(i => (long)i * 7919).ToArbitrary(), Gen.Choose(0, 2).ToArbitrary(), Gen.Choose(0, 9).ToArbitrary(),
        (units, format, decimals) =>
        {
            var value = units;
            decimal scaled = value;
            for (var i = 0; i < decimals; i++)
                scaled /= 10;
            var text = new Quantity(scaled, (QuantityFormat)format).ToString();
            Assert.Equal(text, Quantity.Parse(text).ToString());
        }).QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("1h30m0s")]
    [InlineData("0s")]
    [InlineData("1.5s")]
    [InlineData("100ms")]
    [InlineData("1h0m0.000000001s")]
    [InlineData("-2m3s")]
    public void Durations_read_back_as_themselves(string text) => Assert.Equal(text, Duration.Parse(text).ToString());

    [Theory]
    [InlineData("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z")]
    [InlineData("2026-01-02T03:04:05.999999999Z", "2026-01-02T03:04:05Z")]
    [InlineData("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z")]
    public void Times_are_whole_seconds_in_utc(string text, string canonical) => Assert.Equal(canonical, Time.Parse(text).ToString());

    [Theory]
    [InlineData("2026-01-02")]
    [InlineData("2026-01-02T03:04:05")]
    [InlineData("yesterday")]
    public void Other_times_are_refused(string text) => Assert.Throws<FormatException>(() => Time.Parse(text));
}
