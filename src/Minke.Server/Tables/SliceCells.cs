using System.Globalization;
using Minke.Api.Discovery.V1;

namespace Minke.Server.Tables;

/// <summary>What kubectl shows of EndpointSlices.</summary>
internal static class SliceCells
{
    private const int MaxShown = 3;

    public static string Ports(EndpointSlice slice) => More([.. slice.Ports.Select(port =>
        port.Port?.ToString(CultureInfo.InvariantCulture) ?? (string.IsNullOrEmpty(port.Name) ? "*" : port.Name))]);

    public static string Endpoints(EndpointSlice slice) => More([.. slice.Endpoints.SelectMany(endpoint => endpoint.Addresses)]);

    private static string More(List<string> all)
    {
        if (all.Count == 0)
            return "<unset>";
        var shown = string.Join(',', all.Take(MaxShown));
        return all.Count > MaxShown ? string.Create(CultureInfo.InvariantCulture, $"{shown} + {all.Count - MaxShown} more...") : shown;
    }
}
