namespace Minke.Server.Admission;

/// <summary>An admission plug-in: it may change what is written, then, once nobody changes it any more, refuse it. Refusals are StatusExceptions.</summary>
internal interface IAdmission
{
    /// <summary>Before validation: changes <see cref="AdmissionRequest.Object"/>, or refuses.</summary>
    ValueTask AdmitAsync(AdmissionRequest request, CancellationToken cancellationToken) => default;

    /// <summary>After validation, with the object as it would be stored: refuses or lets pass.</summary>
    ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken) => default;
}
