using Minke.Api;
using Minke.Server.Registry;

namespace Minke.Server.Requests;

/// <summary>
/// The frames that watches were sent last, where these are not the stored bytes: a hundred watchers of one change are sent one encoding.
/// Watchers of a change come one after the other, so a few places are enough; what finds its place taken is encoded anew.
/// </summary>
internal sealed class RecentFrames
{
    private const int Places = 256;

    // Large objects are few, and would make the places heavy.
    private const int BytesAtMost = 16 * 1024;

    private readonly Frame?[] _places = new Frame?[Places];

    private sealed record Frame(Notice Notice, MediaType Media, KindInfo Kind, byte[] Bytes);

    /// <summary>Null when it has to be encoded.</summary>
    public byte[]? Find(in Notice notice, MediaType media, KindInfo kind) =>
        Volatile.Read(ref PlaceOf(notice, media)) is { } frame && frame.Notice == notice && frame.Media == media && ReferenceEquals(frame.Kind, kind)
            ? frame.Bytes : null;

    public void Keep(in Notice notice, MediaType media, KindInfo kind, byte[] bytes)
    {
        if (bytes.Length <= BytesAtMost)
            Volatile.Write(ref PlaceOf(notice, media), new Frame(notice, media, kind, bytes));
    }

    // Changes in a row have places in a row, and those of another form others.
    private ref Frame? PlaceOf(in Notice notice, MediaType media) =>
        ref _places[(int)((notice.Revision.Value + (64 * (int)media.Format) + (96 * (int)media.Projection)) & (Places - 1))];
}
