namespace Minke.Node.Images.Registries;

internal enum RegistryFailure { NotFound, AccessDenied, Other }

/// <summary>A registry said no, or could not be asked. The message is containerd's for the same case.</summary>
internal sealed class RegistryException : Exception
{
    public RegistryException(RegistryFailure kind, string message) : base(message) => Kind = kind;
    public RegistryException(RegistryFailure kind, string message, Exception inner) : base(message, inner) => Kind = kind;

    public RegistryFailure Kind { get; }
}
