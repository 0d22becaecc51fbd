namespace Minke.Cel.Libraries;

/// <summary>All functions of Kubernetes 1.32. Semantic versions, math and JSON patch came later.</summary>
internal static class KubernetesLibraries
{
    public static FunctionTable Build()
    {
        var table = new FunctionTable();
        StandardLibrary.AddTo(table);
        OptionalLibrary.AddTo(table);
        MapInsertLibrary.AddTo(table);
        StringLibrary.AddTo(table);
        ListLibrary.AddTo(table);
        RegexLibrary.AddTo(table);
        SetLibrary.AddTo(table);
        UrlLibrary.AddTo(table);
        NetworkLibrary.AddTo(table);
        QuantityLibrary.AddTo(table);
        FormatLibrary.AddTo(table);
        AuthorizerLibrary.AddTo(table);
        return table;
    }
}
