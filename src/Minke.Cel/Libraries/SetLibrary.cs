using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Libraries;

/// <summary>cel-go's functions on lists seen as sets.</summary>
internal static class SetLibrary
{
    public static void AddTo(FunctionTable table)
    {
        var library = table.Extension;
        var list = CelType.List(CelType.Parameter("T"));
        library.Global("sets.contains", "list_sets_contains_list", [list, list], CelType.Bool, a => BoolValue.Of(Contains(a[0].List, a[1].List)));
        library.Global("sets.equivalent", "list_sets_equivalent_list", [list, list], CelType.Bool,
            a => BoolValue.Of(Contains(a[0].List, a[1].List) && Contains(a[1].List, a[0].List)));
        library.Global("sets.intersects", "list_sets_intersects_list", [list, list], CelType.Bool,
            a => BoolValue.Of(a[0].List.Items.Any(item => Has(a[1].List, item))));
    }

    private static bool Contains(ListValue list, ListValue part) => part.Items.All(item => Has(list, item));

    private static bool Has(ListValue list, CelValue wanted) => list.Items.Any(item => CelEquality.AreEqual(item, wanted));
}
