using Minke.Server.Apply;

namespace Minke.Server.Tests.Apply;

/// <summary>Who owns what when several apply and write: the situations that structured-merge-diff tells apart.</summary>
public sealed class OwnershipTests
{
    private readonly ApplyState _state = new(ApplyState.Everything);

    [Fact]
    public void Applying_a_leaf_twice_changes_its_value_and_not_its_owner()
    {
        Assert.Equal("", _state.Apply("a", """{"numeric":1,"string":"x"}"""));
        Assert.Equal("", _state.Apply("a", """{"numeric":2,"string":"x","bool":false}"""));
        _state.IsLive("""{"numeric":2,"string":"x","bool":false}""");
        Assert.Equal(".bool .numeric .string", _state.Owned("a"));
    }

    [Fact]
    public void A_leaf_that_somebody_wrote_since_is_a_conflict_until_it_is_forced()
    {
        _state.Apply("a", """{"numeric":1,"string":"x"}""");
        _state.Update("w", """{"numeric":1,"string":"y"}""");
        Assert.Equal((".numeric", ".string"), (_state.Owned("a"), _state.Owned("w")));
        Assert.Equal(".string", _state.Apply("a", """{"numeric":1,"string":"z"}"""));
        Assert.Equal("", _state.Apply("a", """{"numeric":1,"string":"z"}""", force: true));
        Assert.Equal((".numeric .string", ""), (_state.Owned("a"), _state.Owned("w")));
    }

    [Fact]
    public void A_leaf_that_somebody_wrote_may_be_applied_with_the_same_value()
    {
        _state.Update("w", """{"string":"y"}""");
        Assert.Equal("", _state.Apply("a", """{"string":"y"}"""));
        Assert.Equal((".string", ".string"), (_state.Owned("a"), _state.Owned("w")));
    }

    [Fact]
    public void What_is_no_longer_applied_goes_unless_somebody_else_owns_it()
    {
        _state.Apply("a", """{"numeric":1,"string":"x","bool":true}""");
        _state.Apply("b", """{"string":"x"}""");
        _state.Apply("a", """{"numeric":1}""");
        _state.IsLive("""{"numeric":1,"string":"x"}""");
        Assert.Equal((".numeric", ".string"), (_state.Owned("a"), _state.Owned("b")));
    }

    [Fact]
    public void What_was_written_over_stays_when_its_applier_gives_it_up()
    {
        _state.Apply("a", """{"numeric":1,"string":"x"}""");
        _state.Update("w", """{"numeric":1,"string":"y"}""");
        _state.Apply("a", """{"numeric":1}""");
        _state.IsLive("""{"numeric":1,"string":"y"}""");
    }

    [Fact]
    public void Values_of_a_set_are_owned_one_by_one()
    {
        _state.Apply("a", """{"set":["a","c"]}""");
        _state.Apply("b", """{"set":["b","c"]}""");
        _state.Apply("a", """{"set":["a"]}""");
        _state.IsLive("""{"set":["a","b","c"]}""");
        _state.Apply("b", """{"set":["b"]}""");
        _state.IsLive("""{"set":["a","b"]}""");
        Assert.Equal((""".set[="a"]""", """.set[="b"]"""), (_state.Owned("a"), _state.Owned("b")));
    }

    [Fact]
    public void Items_are_owned_by_their_keys_and_go_with_their_last_owner()
    {
        _state.Apply("a", """{"items":[{"name":"x","value":1},{"name":"y"}]}""");
        _state.Apply("b", """{"items":[{"name":"x","set":["s"]}]}""");
        _state.Apply("a", """{"items":[{"name":"y"}]}""");
        _state.IsLive("""{"items":[{"name":"x","set":["s"]},{"name":"y"}]}""");
        _state.Apply("b", "{}");
        _state.IsLive("""{"items":[{"name":"y"}]}""");
    }

    [Fact]
    public void An_item_goes_with_the_last_who_owns_the_item_whatever_others_wrote_into_it()
    {
        _state.Apply("a", """{"items":[{"name":"x"}]}""");
        _state.Update("w", """{"items":[{"name":"x","value":1}]}""");
        Assert.Equal(""".items[name="x"].value""", _state.Owned("w"));
        _state.Apply("a", "{}");
        _state.IsLive("""{"items":null}""");
        Assert.Empty(_state.Managers);
    }

    [Fact]
    public void A_key_left_to_its_default_is_the_key_that_says_it()
    {
        _state.Apply("a", """{"ports":[{"port":1,"name":"one"}]}""");
        _state.Update("defaulter", """{"ports":[{"port":1,"protocol":"TCP","name":"one"}]}""");
        Assert.Equal("", _state.Apply("a", """{"ports":[{"port":1,"name":"two"},{"port":1,"protocol":"UDP","name":"dns"}]}"""));
        _state.IsLive("""{"ports":[{"port":1,"protocol":"TCP","name":"two"},{"port":1,"protocol":"UDP","name":"dns"}]}""");
    }

    [Fact]
    public void Maps_in_maps_are_owned_entry_by_entry()
    {
        _state.Apply("a", """{"mapOfMaps":{"x":{"one":"1"},"y":{"two":"2"}}}""");
        _state.Apply("b", """{"mapOfMaps":{"x":{"three":"3"}}}""");
        _state.Apply("a", """{"mapOfMaps":{"y":{"two":"2"}}}""");
        _state.IsLive("""{"mapOfMaps":{"x":{"three":"3"},"y":{"two":"2"}}}""");
    }

    [Fact]
    public void What_is_atomic_has_one_owner_and_any_other_value_is_a_conflict()
    {
        _state.Apply("a", """{"atomicMap":{"x":"1"},"atomicList":["x"],"atomicStruct":{"name":"x"}}""");
        Assert.Equal(".atomicList\n.atomicMap\n.atomicStruct", _state.Apply("b", """{"atomicMap":{"y":"1"},"atomicList":["y"],"atomicStruct":{"value":1}}"""));
        Assert.Equal("", _state.Apply("b", """{"atomicMap":{"y":"1"}}""", force: true));
        Assert.Equal((".atomicList .atomicStruct", ".atomicMap"), (_state.Owned("a"), _state.Owned("b")));
    }

    [Fact]
    public void A_struct_goes_when_all_of_it_was_one_appliers()
    {
        _state.Apply("a", """{"struct":{"name":"x","value":1},"bool":true}""");
        _state.Apply("a", """{"bool":true}""");
        _state.IsLive("""{"bool":true}""");
    }

    [Fact]
    public void Removing_a_field_removes_it_from_all_its_owners()
    {
        _state.Apply("a", """{"numeric":1,"string":"x"}""");
        _state.Apply("b", """{"string":"x"}""");
        _state.Update("w", """{"numeric":1}""");
        Assert.Equal((".numeric", ""), (_state.Owned("a"), _state.Owned("b")));
        Assert.DoesNotContain(_state.Managers, manager => manager.Name is "b" or "w");
    }

    [Fact]
    public void Fields_that_a_write_cannot_change_are_neither_owned_nor_a_conflict()
    {
        var state = new ApplyState(ApplyState.Everything).Ignoring("struct");
        state.Update("w", """{"struct":{"name":"x"},"numeric":1}""");
        Assert.Equal(".numeric", state.Owned("w"));
        Assert.Equal("", state.Apply("a", """{"struct":{"name":"y"},"bool":true}"""));
        Assert.Equal(".bool", state.Owned("a"));
    }

    [Fact]
    public void Managers_of_a_version_that_is_no_longer_served_are_forgotten()
    {
        _state.Managers.Add(new() { Name = "old", Operation = Manager.Update, ApiVersion = "v1beta1", Fields = FieldSet.OfPaths(["string"]) });
        _state.Update("w", """{"numeric":1}""");
        Assert.Equal("w", Assert.Single(_state.Managers).Name);
    }

    [Fact]
    public void A_set_written_when_a_type_was_owned_in_parts_is_brought_up_to_date()
    {
        _state.Managers.Add(new() { Name = "a", Operation = Manager.Apply, ApiVersion = "v1", Fields = FieldsV1.Read(new("""{"f:atomicMap":{"f:x":{}},"f:numeric":{}}""")) });
        _state.Apply("b", """{"bool":true}""");
        Assert.Equal(".atomicMap .numeric", _state.Owned("a"));
    }
}
