using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Minke.Api;
using Minke.Server.Apply;

namespace Minke.Server.Tests.Apply;

public sealed class FieldSetTests
{
    [Theory]
    [InlineData("""{}""")]
    [InlineData("""{"f:a":{}}""")]
    [InlineData("""{"f:a":{".":{},"f:b":{}},"f:c":{"k:{\"name\":\"x\",\"port\":80}":{".":{},"f:name":{}},"v:\"a\"":{},"v:1":{},"v:true":{},"i:0":{}}}""")]
    [InlineData("""{"f:a":{"v:1":{},"v:1.5":{},"v:\"\\u003c\\u0026\\u003e\"":{},"v:null":{},"i:0":{},"i:10":{}}}""")]
    public void A_set_in_canonical_order_is_written_as_it_was_read(string json)
    {
        var expected = json.Replace("\"v:1\":{},\"v:true\":{},\"i:0\"", "\"v:true\":{},\"i:0\"", StringComparison.Ordinal);
        expected = expected.Replace("\"v:\\\"a\\\"\":{},\"v:true\"", "\"v:1\":{},\"v:\\\"a\\\"\":{},\"v:true\"", StringComparison.Ordinal);
        Assert.Equal(expected, FieldsV1.Write(FieldsV1.Read(new RawJson(json))).ToString());
    }

    [Theory]
    [InlineData("""{"f:b":{},"f:a":{}}""", """{"f:a":{},"f:b":{}}""")]
    [InlineData("""{"f:a":{"f:b":{},".":{}}}""", """{"f:a":{".":{},"f:b":{}}}""")]
    [InlineData("""{"f:a":{".":{}}}""", """{"f:a":{}}""")]
    [InlineData("""{"f:a":{},"x:future":{"f:b":{}}}""", """{"f:a":{}}""")]
    [InlineData("""{"f:a":{"k:{\"b\":1.0,\"a\":\"x\"}":{}}}""", """{"f:a":{"k:{\"a\":\"x\",\"b\":1}":{}}}""")]
    [InlineData("""{"f:a":{"f:b":{}},"f:a":{"f:c":{}}}""", """{"f:a":{"f:b":{},"f:c":{}}}""")]
    public void What_others_wrote_in_another_order_is_put_in_order(string json, string canonical) =>
        Assert.Equal(canonical, FieldsV1.Write(FieldsV1.Read(new RawJson(json))).ToString());

    [Theory]
    [InlineData("""{"a":{}}""", "key must be 2 characters long:")]
    [InlineData("""{"abc":{}}""", "missing colon: abc")]
    [InlineData("""{"i:x":{}}""", "strconv.Atoi: parsing \"x\": invalid syntax")]
    [InlineData("""{"k:[]":{}}""", "invalid JSON in \"[]\"")]
    public void Keys_that_are_no_path_element_are_refused(string json, string why) =>
        Assert.Equal(why, Assert.Throws<FormatException>(() => FieldsV1.Read(new RawJson(json))).Message);

    [Fact]
    public void Taking_away_a_parent_leaves_its_children_unless_it_is_taken_with_all_below()
    {
        var set = Set("a", "a.b", "a.c.d", "e");
        Assert.Equal(".e\n.a.b\n.a.c.d", set.Difference(Set("a")).ToString());
        Assert.Equal(".e", set.RecursiveDifference(Set("a")).ToString());
        Assert.Equal(".a\n.e\n.a.b", set.RecursiveDifference(Set("a.c")).ToString());
        Assert.Equal(".a\n.a.c.d", set.Intersection(Set("a", "a.c.d", "x")).ToString());
    }

    [Fact]
    public void An_operation_that_changes_nothing_gives_the_same_set()
    {
        var set = Set("a.b", "c");
        Assert.Same(set, set.Union(Set("a.b")));
        Assert.Same(set, set.Difference(Set("a", "x.y")));
        Assert.Same(set, set.RecursiveDifference(Set("x")));
    }

    [Fact]
    public void Sets_are_sets()
    {
        var paths = Gen.Elements("a", "b", "a.b", "a.b.c", "a.c", "b.c", "c.a.b", "c").ListOf();
        Prop.ForAll(paths.ToArbitrary(), paths.ToArbitrary(), (left, right) =>
        {
            var (a, b) = (Set([.. left]), Set([.. right]));
            Assert.Equal(Set([.. left.Union(right)]).ToString(), a.Union(b).ToString());
            Assert.Equal(Set([.. left.Intersect(right)]).ToString(), a.Intersection(b).ToString());
            Assert.Equal(Set([.. left.Except(right)]).ToString(), a.Difference(b).ToString());
            Assert.True(FieldsV1.Read(FieldsV1.Write(a)).SetEquals(a));
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Whatever_is_read_is_read_again_or_refused()
    {
        var pieces = Gen.Elements("{", "}", "\"f:a\"", "\"k:{\\\"a\\\":1}\"", "\"k:{\"", "\"v:\\\"x\"", "\"v:1\"", "\"i:9999999999\"", "\".\"", ":", ",", "null", "[", "\"\"", "\"f:\\u0000\"");
        Prop.ForAll(pieces.ListOf().ToArbitrary(), parts =>
        {
            FieldSet set;
            try
            {
                set = FieldsV1.Read(new RawJson(string.Concat(parts)));
            }
            catch (FormatException)
            {
                return;
            }
            var written = FieldsV1.Write(set);
            Assert.Equal(written, FieldsV1.Write(FieldsV1.Read(written)));
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Paths_read_as_upstream_writes_them() => Assert.Equal(
        ".a[name=\"x\",port=80][=\"v\"][3]",
        PathElement.ToText([PathElement.Field("a"), PathElement.Parse("k:{\"port\":80,\"name\":\"x\"}")!.Value, PathElement.Parse("v:\"v\"")!.Value, PathElement.Index(3)]));

    private static FieldSet Set(params string[] paths) =>
        paths.Aggregate(FieldSet.Empty, (set, path) => set.Union(FieldSet.OfPaths([path.Split('.')])));
}
