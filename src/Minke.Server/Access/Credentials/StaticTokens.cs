using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Minke.Server.Access.Credentials;

/// <summary>Tokens from a file: lines of <c>token,user,uid,"group1,group2"</c>, read at start.</summary>
internal sealed class StaticTokens(IReadOnlyDictionary<string, UserInfo> byHash, IReadOnlyList<string> own) : ITokenAuthenticator
{
    private const int LeastColumns = 3;

    /// <exception cref="FormatException">A line has too few columns.</exception>
    public static StaticTokens Read(string path, IReadOnlyList<string> own) => new(Parse(path, File.ReadAllText(path)), own);

    public ValueTask<ValidToken?> AuthenticateAsync(string token, IReadOnlyList<string>? audiences, CancellationToken cancellationToken) =>
        new(byHash.TryGetValue(Hash(token), out var user) ? TokenAuthenticators.ForServer(user, audiences, own) : null);

    // By hash, so that how long the search takes tells nothing of a token.
    private static string Hash(string token) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token)));

    internal static Dictionary<string, UserInfo> Parse(string path, string text)
    {
        var users = new Dictionary<string, UserInfo>(StringComparer.Ordinal);
        foreach (var line in text.Split('\n'))
        {
            if (line.Trim().Length == 0 || line[0] == '#')
                continue;
            var columns = Columns(line.TrimEnd('\r'));
            if (columns.Count < LeastColumns)
            {
                throw new FormatException(string.Create(CultureInfo.InvariantCulture,
                    $"token file '{path}' must have at least 3 columns (token, user name, user uid), found {columns.Count}"));
            }
            if (columns[0].Length == 0)
                continue;
            var groups = columns.Count > LeastColumns && columns[LeastColumns].Length > 0 ? columns[LeastColumns].Split(',', StringSplitOptions.TrimEntries) : [];
            users[Hash(columns[0])] = new(columns[1], [.. groups, UserInfo.Authenticated]) { Uid = columns[2] };
        }
        return users;
    }

    private static List<string> Columns(string line)
    {
        var (columns, column, isQuoted) = (new List<string>(), new StringBuilder(), false);
        for (var i = 0; i < line.Length; i++)
        {
            if (line[i] == '"' && isQuoted && i + 1 < line.Length && line[i + 1] == '"')
            {
                column.Append('"');
                i++;
            }
            else if (line[i] == '"')
            {
                isQuoted = !isQuoted;
            }
            else if (line[i] == ',' && !isQuoted)
            {
                columns.Add(column.ToString());
                column.Clear();
            }
            else if (column.Length > 0 || line[i] != ' ')
            {
                column.Append(line[i]);
            }
        }
        columns.Add(column.ToString());
        return columns;
    }
}
