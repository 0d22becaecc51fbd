using System.Text;

namespace Minke.Api.Tests.Codecs;

/// <summary>Each message is what Go's encoding/json says of the same bytes.</summary>
public sealed class GoJsonErrorTests
{
    [Theory]
    [InlineData("", "unexpected end of JSON input")]
    [InlineData(" {", "unexpected end of JSON input")]
    [InlineData("{\"a\"", "unexpected end of JSON input")]
    [InlineData("[1,", "unexpected end of JSON input")]
    [InlineData("\"a\\", "unexpected end of JSON input")]
    [InlineData("-", "unexpected end of JSON input")]
    [InlineData("1e", "unexpected end of JSON input")]
    [InlineData("<a>", "invalid character '<' looking for beginning of value")]
    [InlineData("[1,]", "invalid character ']' looking for beginning of value")]
    [InlineData("{\"a\":}", "invalid character '}' looking for beginning of value")]
    [InlineData("{a:1}", "invalid character 'a' looking for beginning of object key string")]
    [InlineData("{\"a\":1,}", "invalid character '}' looking for beginning of object key string")]
    [InlineData("{\"a\" 1}", "invalid character '1' after object key")]
    [InlineData("{\"a\":1 \"b\":2}", "invalid character '\"' after object key:value pair")]
    [InlineData("{\"a\":01}", "invalid character '1' after object key:value pair")]
    [InlineData("[1 2]", "invalid character '2' after array element")]
    [InlineData("{}{}", "invalid character '{' after top-level value")]
    [InlineData("tru3", "invalid character '3' in literal true (expecting 'e')")]
    [InlineData("nul", "unexpected end of JSON input")]
    [InlineData("\"a\nb\"", "invalid character '\\n' in string literal")]
    [InlineData("\"\\x\"", "invalid character 'x' in string escape code")]
    [InlineData("\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape")]
    [InlineData("-a", "invalid character 'a' in numeric literal")]
    [InlineData("1.x", "invalid character 'x' after decimal point in numeric literal")]
    [InlineData("1e+x", "invalid character 'x' in exponent of numeric literal")]
    [InlineData("'a'", "invalid character '\\'' looking for beginning of value")]
    [InlineData("\0", "invalid character '\\x00' looking for beginning of value")]
    [InlineData("\u00e9", "invalid character '\u00c3' looking for beginning of value")]
    public void What_is_wrong_is_said_in_its_words(string json, string message)
    {
        Assert.Equal(message, GoJsonError.Of(Encoding.UTF8.GetBytes(json)));
        Assert.Equal(message, Assert.Throws<JsonReadException>(() => Minke.Api.Core.V1.ConfigMap.KindInfo.ReadJson(Encoding.UTF8.GetBytes(json))).Message);
    }

    [Fact]
    public void Depth_is_what_is_wrong_where_nothing_else_is() =>
        Assert.Equal("exceeded max depth", GoJsonError.Of(Encoding.UTF8.GetBytes(new string('[', 129) + new string(']', 129))));
}
