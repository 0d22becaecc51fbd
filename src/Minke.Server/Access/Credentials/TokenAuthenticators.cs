namespace Minke.Server.Access.Credentials;

/// <summary>One kind of bearer token.</summary>
internal interface ITokenAuthenticator
{
    /// <summary>Null when it is not a token of this kind, or does not hold.</summary>
    /// <param name="token">As it came.</param>
    /// <param name="audiences">One of which it must be made for; null for the API server's own.</param>
    /// <param name="cancellationToken">Ends waiting for somebody else's answer.</param>
    ValueTask<ValidToken?> AuthenticateAsync(string token, IReadOnlyList<string>? audiences, CancellationToken cancellationToken);
}

/// <summary>All kinds of bearer tokens; the first that holds counts.</summary>
internal sealed class TokenAuthenticators(IReadOnlyList<ITokenAuthenticator> kinds)
{
    public async ValueTask<ValidToken?> AuthenticateAsync(string token, IReadOnlyList<string>? audiences, CancellationToken cancellationToken)
    {
        foreach (var kind in kinds)
        {
            if (await kind.AuthenticateAsync(token, audiences, cancellationToken) is { } valid)
                return valid;
        }
        return null;
    }

    /// <summary>A token that says nothing of audiences is for the API server: valid when somebody asks for that, or does not ask.</summary>
    public static ValidToken? ForServer(UserInfo user, IReadOnlyList<string>? audiences, IReadOnlyList<string> own)
    {
        if (audiences is null)
            return new(user, []);
        var granted = audiences.Where(own.Contains).ToList();
        return granted.Count > 0 ? new(user, granted) : null;
    }
}
