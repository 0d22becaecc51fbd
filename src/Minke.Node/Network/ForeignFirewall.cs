using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Minke.Node.Linux;

namespace Minke.Node.Network;

/// <summary>
/// A way for pods through the firewall of somebody else. Docker (and ufw) set the policy of iptables' FORWARD chain to drop; an accept in
/// a table of ours does not help against a drop in theirs. So, as others who bring pods do, we put two rules first in that chain, and only if
/// it drops. Only iptables over nftables can be served this way; firewalld has its own ways (a trusted zone).
/// </summary>
internal static partial class ForeignFirewall
{
    private const string Chain = "ip filter FORWARD";

    /// <summary>Puts up the rules where they are needed and missing. True when it did.</summary>
    internal static bool Ensure(Nftables nftables, InstanceNames names)
    {
        var chain = nftables.TryList($"list chain {Chain}");
        if (chain is null || !chain.Contains("policy drop", StringComparison.Ordinal) || OwnHandles(chain, names).Count >= 2)
            return false;
        nftables.Run(
            $"""
            insert rule {Chain} iifname "{names.Bridge}" accept
            insert rule {Chain} oifname "{names.Bridge}" accept

            """,
            $"let pods of {names.Bridge} through the chain {Chain}");
        return true;
    }

    internal static void Remove(Nftables nftables, InstanceNames names)
    {
        if (nftables.TryList($"list chain {Chain}") is not { } chain || OwnHandles(chain, names) is not { Count: > 0 } handles)
            return;
        var script = new StringBuilder();
        foreach (var handle in handles)
            script.Append(CultureInfo.InvariantCulture, $"delete rule {Chain} handle {handle}\n");
        nftables.Run(script.ToString(), $"take back the rules of {names.Bridge} in the chain {Chain}");
    }

    private static List<string> OwnHandles(string chain, InstanceNames names) =>
        [.. OwnRule().Matches(chain).Where(match => match.Groups["bridge"].Value == names.Bridge).Select(match => match.Groups["handle"].Value)];

    [GeneratedRegex("""^\s*[io]ifname "(?<bridge>[^"]+)" accept # handle (?<handle>[0-9]+)\s*$""", RegexOptions.Multiline)]
    private static partial Regex OwnRule();
}
