using FsCheck;
using FsCheck.Fluent;
using Minke.Server.Streaming;

namespace Minke.Server.Tests.Streaming;

public sealed class TerminalSizesTests
{
    [Fact]
    public async Task Sizes_are_read_one_after_the_other_however_they_are_cut()
    {
        var text = "{\"Width\":80,\"Height\":24}\n{\"height\":1,\"more\":{\"a\":[1]},\"width\":65535} {\"Width\":3,\"Height\":4}"u8.ToArray();
        for (var size = 1; size <= text.Length; size++)
            Assert.Equal([(80, 24), (65535, 1), (3, 4)], await ReadAsync(text.Chunk(size)));
    }

    [Theory, InlineData("{\"Width\":-1}"), InlineData("[1]"), InlineData("{\"Width\":\"80\"}"), InlineData("nonsense")]
    public async Task What_is_no_size_ends_the_resizing(string text) =>
        Assert.Empty(await ReadAsync([System.Text.Encoding.ASCII.GetBytes(text), "{\"Width\":1,\"Height\":1}"u8.ToArray()]));

    [Fact]
    public void Whatever_comes_is_read_or_ends_the_resizing() =>
        Prop.ForAll<byte[][]>(pieces => { ReadAsync(pieces.Where(piece => piece is not null)).GetAwaiter().GetResult(); }).QuickCheckThrowOnFailure();

    [Fact]
    public async Task An_object_without_end_ends_the_resizing() => Assert.Empty(await ReadAsync(Enumerable.Repeat("{\"a\":    "u8.ToArray(), 1).Concat(Enumerable.Repeat("    "u8.ToArray(), 2000))));

    private static async Task<List<(int, int)>> ReadAsync(IEnumerable<byte[]> pieces)
    {
        var sizes = new List<(int, int)>();
        await new TerminalSizes().ReadAllAsync(new Pieces(pieces), (width, height, _) =>
        {
            sizes.Add((width, height));
            return Task.CompletedTask;
        }, CancellationToken.None);
        return sizes;
    }

    private sealed class Pieces(IEnumerable<byte[]> pieces) : IStreamChannel
    {
        private readonly Queue<byte> _left = new(pieces.SelectMany(piece => piece));
        private readonly Queue<int> _sizes = new(pieces.Select(piece => piece.Length));

        public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            var size = _sizes.Count == 0 ? _left.Count : _sizes.Dequeue();
            size = Math.Min(Math.Max(size, 1), Math.Min(buffer.Length, _left.Count));
            for (var index = 0; index < size; index++)
                buffer.Span[index] = _left.Dequeue();
            return new(size);
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => default;
        public ValueTask CompleteAsync(CancellationToken cancellationToken) => default;
        public void Abandon() { }
    }
}
