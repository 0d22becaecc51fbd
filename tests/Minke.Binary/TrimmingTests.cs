using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Minke.Binary;

/// <summary>What the published binary is made of does what it did before it was trimmed.</summary>
public sealed class TrimmingTests
{
    /// <summary>
    /// ILLink rewrites methods that ask for a feature that is off, and loses a finally within a finally as it does: a lock that is never
    /// let go, and only in the published form.
    /// </summary>
    [Fact]
    public void No_finally_within_another_is_lost()
    {
        var project = Path.Combine(Machine.RepositoryRoot(), "src", "Minke");
        var built = new DirectoryInfo(Path.Combine(project, "obj", "Release", "net10.0")).GetDirectories("linked", SearchOption.AllDirectories);
        Assert.True(built.Length > 0, "nothing was published: run ./minke version first, or ./test");
        var trimmed = built.MaxBy(directory => directory.LastWriteTimeUtc)!;
        var whole = Path.Combine(project, "bin", "Release", "net10.0", trimmed.Parent!.Name);

        var lost = new List<string>();
        foreach (var file in trimmed.GetFiles("*.dll"))
        {
            var before = NestedFinallys(Path.Combine(whole, file.Name));
            var after = NestedFinallys(file.FullName);
            // A method that nothing calls may have become a stub, and others may have gone.
            lost.AddRange(from method in after
                          where method.Value.Finallys < before.GetValueOrDefault(method.Key).Finallys && method.Value.Size > before[method.Key].Size / 2
                          select $"{file.Name}: {method.Key}");
        }
        Assert.Empty(lost);
    }

    /// <summary>By method: how many finally blocks stand in another's handler, and the size of its code in bytes.</summary>
    private static Dictionary<string, (int Finallys, int Size)> NestedFinallys(string path)
    {
        var found = new Dictionary<string, (int, int)>(StringComparer.Ordinal);
        using var file = new PEReader(File.OpenRead(path));
        var metadata = file.GetMetadataReader();
        foreach (var handle in metadata.MethodDefinitions)
        {
            var method = metadata.GetMethodDefinition(handle);
            if (method.RelativeVirtualAddress == 0)
                continue;
            var body = file.GetMethodBody(method.RelativeVirtualAddress);
            var finallys = body.ExceptionRegions.Where(region => region.Kind == ExceptionRegionKind.Finally).ToList();
            var nested = finallys.Count(inner => finallys.Exists(outer =>
                inner.TryOffset >= outer.HandlerOffset && inner.TryOffset < outer.HandlerOffset + outer.HandlerLength));
            var name = $"{TypeName(metadata, method.GetDeclaringType())}.{metadata.GetString(method.Name)}";
            var (before, size) = found.GetValueOrDefault(name);
            found[name] = (before + nested, size + body.GetILBytes()!.Length); // overloads count together
        }
        return found;
    }

    private static string TypeName(MetadataReader metadata, TypeDefinitionHandle handle)
    {
        var type = metadata.GetTypeDefinition(handle);
        var name = metadata.GetString(type.Name);
        return type.GetDeclaringType().IsNil ? $"{metadata.GetString(type.Namespace)}.{name}" : $"{TypeName(metadata, type.GetDeclaringType())}.{name}";
    }
}
