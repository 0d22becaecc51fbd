namespace Minke.Server.Patching;

/// <summary>A patch that cannot be carried out.</summary>
public sealed class PatchException(string message, PatchFailure failure = PatchFailure.BadRequest) : Exception(message)
{
    public PatchFailure Failure { get; } = failure;
}

public enum PatchFailure
{
    /// <summary>The patch is malformed: 400.</summary>
    BadRequest,

    /// <summary>The patch is well-formed but does not fit the object: 422.</summary>
    Unprocessable,

    /// <summary>The patch is wrong in a way that upstream has no code for: 500, with the message as it is.</summary>
    Untyped,

    /// <summary>The patch is too much work: 413.</summary>
    TooLarge,
}
