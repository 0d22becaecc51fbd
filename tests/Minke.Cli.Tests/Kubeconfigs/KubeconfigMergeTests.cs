using FsCheck;
using FsCheck.Fluent;
using Minke.Cli.Kubeconfigs;
using YamlDotNet.Core;

namespace Minke.Cli.Tests.Kubeconfigs;

public class KubeconfigMergeTests
{
    private static readonly Kubeconfig Minke = new("minke", new Uri("https://127.0.0.1:6443"), "ca", "crt", "key");

    private const string Somebodys = """
        # my clusters
        apiVersion: v1
        kind: Config
        clusters:
        # at work
        - name: work
          cluster:
            server: https://work.example:6443   # behind the VPN
        contexts:
        - name: work
          context: {cluster: work, user: me}
        users: # keep these secret
        - name: me
          user:
            token: "0123"
        # chosen by hand
        current-context: work
        preferences: {}

        """;

    [Fact]
    public void A_kubeconfig_can_be_read_back() => Assert.Equal(Minke, Kubeconfig.Parse(Minke.ToString()));

    [Theory]
    [InlineData("")]
    [InlineData("\n# nothing yet\n")]
    [InlineData("---\n")]
    public void Nothing_becomes_the_clusters_own_file(string text) =>
        Assert.Equal(Minke.ToString(), KubeconfigMerge.Merge(text, Minke, current: false));

    [Fact]
    public void Other_entries_and_comments_stay_as_they_are()
    {
        var merged = KubeconfigMerge.Merge(Somebodys, Minke, current: false);

        Assert.Equal("""
            # my clusters
            apiVersion: v1
            kind: Config
            clusters:
            # at work
            - name: work
              cluster:
                server: https://work.example:6443   # behind the VPN
            - cluster:
                certificate-authority-data: Y2E=
                server: https://127.0.0.1:6443
              name: minke
            contexts:
            - name: work
              context: {cluster: work, user: me}
            - context:
                cluster: minke
                user: minke
              name: minke
            users: # keep these secret
            - name: me
              user:
                token: "0123"
            - name: minke
              user:
                client-certificate-data: Y3J0
                client-key-data: a2V5
            # chosen by hand
            current-context: work
            preferences: {}

            """, merged);
    }

    [Fact]
    public void Merging_twice_changes_nothing_more()
    {
        var once = KubeconfigMerge.Merge(Somebodys, Minke, current: false);
        Assert.Equal(once, KubeconfigMerge.Merge(once, Minke, current: false));
    }

    [Fact]
    public void A_second_merge_replaces_what_the_first_one_wrote()
    {
        var moved = Minke with { Server = new Uri("https://127.0.0.1:6444") };
        var merged = KubeconfigMerge.Merge(KubeconfigMerge.Merge(Somebodys, Minke, current: false), moved, current: false);

        Assert.Equal(KubeconfigMerge.Merge(Somebodys, moved, current: false), merged);
    }

    [Fact]
    public void Removing_restores_the_file() =>
        Assert.Equal(Somebodys, KubeconfigMerge.Remove(KubeconfigMerge.Merge(Somebodys, Minke, current: false), "minke"));

    [Fact]
    public void The_current_context_changes_only_when_asked_or_when_there_is_none()
    {
        Assert.Contains("current-context: work\n", KubeconfigMerge.Merge(Somebodys, Minke, current: false), StringComparison.Ordinal);
        Assert.Contains("current-context: minke\n", KubeconfigMerge.Merge(Somebodys, Minke, current: true), StringComparison.Ordinal);
        Assert.Contains("current-context: minke\n", KubeconfigMerge.Merge("kind: Config\ncurrent-context: \"\"\n", Minke, current: false), StringComparison.Ordinal);
        Assert.Contains("current-context: minke\n", KubeconfigMerge.Merge("kind: Config\ncurrent-context:\n", Minke, current: false), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"apiVersion":"v1","kind":"Config","clusters":[{"name":"a","cluster":{"server":"https://a"}}],"contexts":[],"users":null}""")]
    [InlineData("clusters: []\ncontexts: null\nusers: ~\nkind: Config")]
    [InlineData("clusters:\n    -\n        name: a\n        cluster: {server: https://a}\n")]
    [InlineData("clusters:\n- {name: a, cluster: {server: https://a}}\n- {name: minke, cluster: {server: https://old}}\nusers:\n- name: a\n  user: {}")]
    [InlineData("clusters: &all\n  - name: a\n    cluster: &c\n      server: https://a\n  - name: b\n    cluster: *c\n")]
    [InlineData("users:\n- name: a\n  user:\n    exec:\n      args:\n      - |\n        two\n        lines\n")]
    [InlineData("clusters: # none\nkind: Config\n")]
    public void Whatever_the_layout_the_cluster_is_in_and_the_rest_is_kept(string text)
    {
        var merged = KubeconfigMerge.Merge(text, Minke, current: false);

        AssertHolds(merged, Minke);
        var rest = KubeconfigMerge.Remove(merged, "minke");
        Assert.DoesNotContain("127.0.0.1", rest, StringComparison.Ordinal);
        foreach (var word in (string[])["https://a", "lines", "Config"])
            Assert.Equal(text.Contains(word, StringComparison.Ordinal), rest.Contains(word, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("- a list")]
    [InlineData("just words")]
    [InlineData("clusters: {a: b}")]
    [InlineData("clusters: [")]
    [InlineData("a: b: c")]
    public void What_is_no_kubeconfig_is_refused(string text) =>
        Assert.Throws<KubeconfigException>(() => KubeconfigMerge.Merge(text, Minke, current: false));

    [Fact]
    public void Any_text_is_merged_or_refused()
    {
        // Lines of a kubeconfig in any order and indentation: mostly nonsense, some of it YAML.
        var line = Gen.Elements("clusters:", "contexts:", "users:", "- name: minke", "- name: a", "  name: minke", "cluster:", "  server: https://x",
            "# why", "", "[]", "- {name: minke}", "current-context: a", "current-context:", "    token: |", "...", "---", "\t", "*a", "&a b: c", "'");
        var text = line.ListOf().Select(lines => string.Join('\n', lines));
        Prop.ForAll(text.ToArbitrary(), text =>
        {
            try
            {
                AssertHolds(KubeconfigMerge.Merge(text, Minke, current: false), Minke);
            }
            catch (KubeconfigException)
            {
                // Refused: fine.
            }
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(2000).WithQuietOnSuccess(true));
    }

    private static void AssertHolds(string merged, Kubeconfig config)
    {
        var root = Assert.IsType<YamlTree.Mapping>(YamlTree.Parse(merged));
        Assert.Equal(config.Server.GetLeftPart(UriPartial.Authority), ((YamlTree.Scalar)Entry("clusters", "cluster")["server"]!).Value);
        Assert.Equal(config.Name, ((YamlTree.Scalar)Entry("contexts", "context")["user"]!).Value);
        Assert.Equal("a2V5", ((YamlTree.Scalar)Entry("users", "user")["client-key-data"]!).Value);

        YamlTree.Mapping Entry(string list, string part) => (YamlTree.Mapping)((YamlTree.Sequence)root[list]!).Items
            .OfType<YamlTree.Mapping>().First(item => item["name"] is YamlTree.Scalar name && name.Value == config.Name)[part]!;
    }
}
