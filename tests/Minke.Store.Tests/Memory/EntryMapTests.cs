using FsCheck;
using FsCheck.Fluent;
using Minke.Store.Memory;

namespace Minke.Store.Tests.Memory;

public sealed class EntryMapTests
{
    /// <summary>Few enough keys that they meet again, deep enough for a third level, and prefixes of one another.</summary>
    private static readonly Gen<string> Key =
        from kind in Gen.Elements("/pods/", "/pod", "/nodes/", "", "/pods/ns/")
        from number in Gen.Choose(0, 1500)
        select kind + number.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static readonly Gen<(string Key, bool IsPut)> Step =
        from key in Key
        from isPut in Gen.Frequency((3, Gen.Constant(true)), (2, Gen.Constant(false)))
        select (key, isPut);

    [Fact]
    public void It_is_the_sorted_dictionary_it_is_modelled_on()
    {
        var property = Prop.ForAll(Gen.ListOf(Step, 3_000).ToArbitrary(), steps =>
        {
            var model = new SortedDictionary<string, Entry>(StringComparer.Ordinal);
            var map = EntryMap.Empty;
            var revision = 1;
            foreach (var (key, isPut) in steps)
            {
                var before = map;
                if (isPut)
                    map = map.With(model[key] = new Entry(key, default, new(revision), new(revision++)));
                else if (!model.Remove(key))
                    Assert.Same(before, before.Without(key));
                else
                    map = map.Without(key);
            }
            AssertSame(model, map);
        });
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(40), property);
    }

    [Fact]
    public void A_map_made_at_once_is_the_map_made_one_by_one()
    {
        var property = Prop.ForAll(Gen.Choose(0, 3_000).ToArbitrary(), count =>
        {
            var model = new SortedDictionary<string, Entry>(StringComparer.Ordinal);
            for (var i = 0; i < count; i++)
                model.Add($"/pods/{i}", new Entry($"/pods/{i}", default, new(i), new(i)));
            var map = EntryMap.FromSorted([.. model.Values]);
            AssertSame(model, map);
            // And it can be changed like any other.
            foreach (var key in model.Keys.Where((_, i) => i % 3 != 0).ToList())
            {
                model.Remove(key);
                map = map.Without(key);
            }
            AssertSame(model, map);
        });
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(40), property);
    }

    [Fact]
    public void Emptied_it_is_as_if_new()
    {
        var map = EntryMap.Empty;
        for (var i = 0; i < 2_000; i++)
            map = map.With(new Entry($"{i:0000}", default, new(i), new(i)));
        for (var i = 0; i < 2_000; i++)
            map = map.Without($"{i * 7 % 2000:0000}");
        Assert.Equal(0, map.Count);
        Assert.Empty(map.From(""));
        Assert.Equal(["a"], map.With(new Entry("a", default, default, default)).From("").Select(entry => entry.Key));
    }

    [Fact]
    public void Old_maps_are_untouched_by_what_follows()
    {
        var maps = new List<EntryMap> { EntryMap.Empty };
        for (var i = 0; i < 500; i++)
            maps.Add(maps[^1].With(new Entry($"{i * 37 % 500:000}", default, default, default)));
        for (var i = 0; i < 500; i++)
            maps.Add(maps[^1].Without($"{i * 91 % 500:000}"));
        for (var i = 0; i <= 1_000; i++)
            Assert.Equal(i <= 500 ? i : 1_000 - i, maps[i].From("").Count());
    }

    private static void AssertSame(SortedDictionary<string, Entry> model, EntryMap map)
    {
        var entries = model.Values.ToArray();
        Assert.Equal(entries.Length, map.Count);
        Assert.True(map.From("").SequenceEqual(entries));
        for (var i = 0; i < entries.Length; i += 17)
        {
            Assert.Same(entries[i], map.Get(entries[i].Key));
            Assert.Null(map.Get(entries[i].Key + "x"));
            Assert.Equal(i, map.CountBefore(entries[i].Key));
            Assert.Equal(i + 1, map.CountBefore(entries[i].Key + "\0"));
            Assert.Same(entries[i], map.From(entries[i].Key).First());
        }
        foreach (var prefix in new[] { "", "/", "/pod", "/pods/", "/pods/1", "/pods/ns/", "/x" })
        {
            var snapshot = new MemorySnapshot(default, map);
            var expected = entries.Where(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal)).ToArray();
            Assert.True(snapshot.Range(prefix).SequenceEqual(expected));
            Assert.Equal(expected.Length, snapshot.Count(prefix));
        }
    }
}
