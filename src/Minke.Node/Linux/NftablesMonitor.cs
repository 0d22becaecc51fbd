using System.Net.Sockets;

namespace Minke.Node.Linux;

/// <summary>
/// Tells when somebody, we or others, took away tables, chains or rules of nftables or put up chains. It belongs for life to the network namespace of
/// the thread that opened it, and may be used from any thread.
/// </summary>
internal sealed class NftablesMonitor : IDisposable
{
    private const int NFNL_SUBSYS_NFTABLES = 10;
    private const int NFNLGRP_NFTABLES = 7;
    private const int NFT_MSG_DELTABLE = 2;
    private const int NFT_MSG_NEWCHAIN = 3;
    private const int NFT_MSG_DELCHAIN = 5;
    private const int NFT_MSG_DELRULE = 8;
    private const int BufferSize = 64 * 1024;

    private readonly Socket _socket;
    private readonly byte[] _buffer = new byte[BufferSize];

    private NftablesMonitor(Socket socket) => _socket = socket;

    internal static NftablesMonitor Open() => new(NetlinkSocket.OpenForNotifications(Netlink.NETLINK_NETFILTER, NFNLGRP_NFTABLES));

    /// <summary>Waits for the next such change. Several at once may be told as one.</summary>
    internal async Task WaitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                var length = await _socket.ReceiveAsync(_buffer, cancellationToken);
                if (IsRelevant(_buffer.AsSpan(0, length)))
                    return;
            }
            catch (SocketException exception) when (exception.SocketErrorCode is SocketError.NoBufferSpaceAvailable or SocketError.MessageSize)
            {
                // More happened than we could be told: anything may have changed.
                return;
            }
        }
    }

    public void Dispose() => _socket.Dispose();

    private static bool IsRelevant(ReadOnlySpan<byte> datagram)
    {
        var reader = new NetlinkReader(datagram);
        while (reader.MoveNext())
        {
            if (reader.Current.Type >> 8 == NFNL_SUBSYS_NFTABLES
                && (reader.Current.Type & 0xff) is NFT_MSG_DELTABLE or NFT_MSG_NEWCHAIN or NFT_MSG_DELCHAIN or NFT_MSG_DELRULE)
                return true;
        }
        return false;
    }
}
