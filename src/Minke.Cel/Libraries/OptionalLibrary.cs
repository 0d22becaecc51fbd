using Minke.Cel.Syntax;
using Minke.Cel.Types;
using Minke.Cel.Values;

namespace Minke.Cel.Libraries;

/// <summary>Values that may not be there: <c>optional.of</c>, <c>a.?b</c>, <c>orValue</c>.</summary>
internal static class OptionalLibrary
{
    private static readonly CelType V = CelType.Parameter("V"), K = CelType.Parameter("K");
    private static readonly CelType OptionalV = CelType.Optional(V);

    public static Overload Select { get; } = new("select_optional_field", false, [CelType.Dyn, CelType.String], OptionalV, NotCalled);

    public static void AddTo(FunctionTable table)
    {
        var library = table.Extension;
        library.Global("optional.of", "optional_of", [V], OptionalV, a => new OptionalValue(a[0]));
        library.Global("optional.ofNonZeroValue", "optional_ofNonZeroValue", [V], OptionalV, a => IsZero(a[0]) ? OptionalValue.None : new OptionalValue(a[0]));
        library.Global("optional.none", "optional_none", [], OptionalV, _ => OptionalValue.None);
        library.Member("value", "optional_value", [OptionalV], V, a => ((OptionalValue)a[0]).Value ?? new ErrorValue("optional.none() dereference"));
        library.Member("hasValue", "optional_hasValue", [OptionalV], CelType.Bool, a => BoolValue.Of(((OptionalValue)a[0]).Value is not null));
        // These do not look at their second argument when the first is there: the plan evaluates them, as it does selection.
        library.Member("or", "optional_or_optional", [OptionalV, OptionalV], OptionalV, NotCalled);
        library.Member("orValue", "optional_orValue_value", [OptionalV, V], V, NotCalled);
        library.Global(Operators.OptionalIndex, "list_optindex_optional_int", [CelType.List(V), CelType.Int], OptionalV, NotCalled);
        library.Global(Operators.OptionalIndex, "optional_list_optindex_optional_int", [CelType.Optional(CelType.List(V)), CelType.Int], OptionalV, NotCalled);
        library.Global(Operators.OptionalIndex, "map_optindex_optional_value", [CelType.Map(K, V), K], OptionalV, NotCalled);
        library.Global(Operators.OptionalIndex, "optional_map_optindex_optional_value", [CelType.Optional(CelType.Map(K, V)), K], OptionalV, NotCalled);
        library.Global(Operators.Index, "optional_list_index_int", [CelType.Optional(CelType.List(V)), CelType.Int], OptionalV, NotCalled);
        library.Global(Operators.Index, "optional_map_index_value", [CelType.Optional(CelType.Map(K, V)), K], OptionalV, NotCalled);
    }

    private static CelValue NotCalled(CelValue[] arguments) => throw new System.Diagnostics.UnreachableException();

    private static bool IsZero(CelValue value) => value switch
    {
        NullValue => true,
        BoolValue flag => !flag.Value,
        IntValue number => number.Value == 0,
        UintValue number => number.Value == 0,
        DoubleValue number => number.Value == 0,
        DurationValue duration => duration.Nanoseconds == 0,
        TimestampValue timestamp => timestamp.Seconds == TimestampValue.MinSeconds && timestamp.Nanoseconds == 0,
        OptionalValue optional => optional.Value is null,
        _ => value.Size == 0,
    };
}

/// <summary>What the macros with two variables call: <c>transformMap</c> grows a map key by key.</summary>
internal static class MapInsertLibrary
{
    public static void AddTo(FunctionTable table)
    {
        var map = CelType.Map(CelType.Parameter("K"), CelType.Parameter("V"));
        var library = table.Extension;
        library.Global("cel.@mapInsert", "@mapInsert_map_key_value", [map, CelType.Parameter("K"), CelType.Parameter("V")], map,
            a => GrownMap.Insert((MapValue)a[0], a[1], a[2]));
        library.Global("cel.@mapInsert", "@mapInsert_map_map", [map, map], map, a =>
        {
            CelValue result = a[0];
            foreach (var key in ((MapValue)a[1]).Keys)
            {
                result = GrownMap.Insert((MapValue)result, key, ((MapValue)a[1]).Find(key)!);
                if (result is ErrorValue)
                    return result;
            }
            return result;
        });
    }

    /// <summary>Shares one table among the steps of a loop: each step sees the first keys of it.</summary>
    private sealed class GrownMap : MapValue
    {
        private readonly Dictionary<CelValue, (int Place, CelValue Value)> _entries;
        private readonly List<CelValue> _keys;

        private GrownMap(Dictionary<CelValue, (int, CelValue)> entries, List<CelValue> keys) => (_entries, _keys, Count) = (entries, keys, keys.Count);

        public override int Count { get; }
        public override IEnumerable<CelValue> Keys => _keys.Take(Count);
        public override CelValue? Find(CelValue key) => _entries.TryGetValue(key, out var entry) && entry.Place < Count ? entry.Value : null;

        public static CelValue Insert(MapValue map, CelValue key, CelValue value)
        {
            if (map.Find(key) is not null)
                return new ErrorValue($"insert failed: key {Display.Of(key)} already exists");
            if (map is not GrownMap grown || grown._keys.Count != grown.Count)
            {
                var keys = map.Keys.ToList();
                var entries = new Dictionary<CelValue, (int, CelValue)>(KeyComparer.Instance);
                for (var i = 0; i < keys.Count; i++)
                    entries[keys[i]] = (i, map.Find(keys[i])!);
                grown = new GrownMap(entries, keys);
            }
            grown._entries[key] = (grown._keys.Count, value);
            grown._keys.Add(key);
            return new GrownMap(grown._entries, grown._keys);
        }
    }
}
