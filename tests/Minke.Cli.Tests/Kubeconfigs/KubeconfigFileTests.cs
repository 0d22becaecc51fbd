using Minke.Cli.Kubeconfigs;

namespace Minke.Cli.Tests.Kubeconfigs;

public sealed class KubeconfigFileTests : IDisposable
{
    private static readonly Kubeconfig Minke = new("minke", new Uri("https://127.0.0.1:6443"), "ca", "crt", "key");

    private readonly string _home = Directory.CreateTempSubdirectory("minke-home-").FullName;

    public void Dispose() => Directory.Delete(_home, recursive: true);

    [Fact]
    public async Task A_first_merge_makes_the_file_for_the_user_alone()
    {
        var file = File(_ => null);
        Assert.True(await file.MergeAsync(Minke, makeCurrent: false, TestContext.Current.CancellationToken));

        Assert.Equal(Path.Combine(_home, ".kube", "config"), file.Path);
        Assert.Equal(Minke.ToString(), await Read(file.Path));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(file.Path));
        Assert.Equal(["config"], Directory.GetFiles(Path.GetDirectoryName(file.Path)!).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_link_stays_a_link_and_the_mode_stays_the_mode()
    {
        var real = Path.Combine(_home, "dotfiles");
        System.IO.File.WriteAllText(real, "current-context: work\n");
        System.IO.File.SetUnixFileMode(real, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        var link = Path.Combine(_home, "config");
        System.IO.File.CreateSymbolicLink(link, real);

        Assert.False(await File(name => name == "KUBECONFIG" ? link : null).MergeAsync(Minke, makeCurrent: false, TestContext.Current.CancellationToken));

        Assert.Equal(real, new FileInfo(link).LinkTarget);
        Assert.Contains("name: minke", await Read(real), StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, System.IO.File.GetUnixFileMode(real));
    }

    [Fact]
    public async Task What_cannot_be_understood_is_left_as_it_is()
    {
        var file = File(_ => null);
        Directory.CreateDirectory(Path.GetDirectoryName(file.Path)!);
        System.IO.File.WriteAllText(file.Path, "clusters: [\n");

        var exception = await Assert.ThrowsAsync<KubeconfigException>(() => file.MergeAsync(Minke, false, TestContext.Current.CancellationToken));
        Assert.StartsWith(file.Path + ": line 2", exception.Message, StringComparison.Ordinal);
        Assert.Equal("clusters: [\n", await Read(file.Path));
    }

    [Fact]
    public void Under_sudo_the_file_is_that_of_the_user_who_asked()
    {
        Dictionary<string, string> environment = new() { ["HOME"] = "/root", ["SUDO_UID"] = "1000", ["SUDO_GID"] = "1001", ["SUDO_USER"] = "ada" };
        const string passwd = "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1001:Ada,,,:/srv/ada:/bin/bash\n";

        Assert.Equal(new InvokingUser("/srv/ada", 1000, 1001, "/srv/ada/.kube/config"),
            InvokingUser.From(environment.GetValueOrDefault, passwd, isRoot: true));
        Assert.Equal(new InvokingUser("/root", null, null, "/root/.kube/config"),
            InvokingUser.From(environment.GetValueOrDefault, passwd, isRoot: false));
    }

    [Fact]
    public async Task Under_sudo_what_is_made_belongs_to_the_user()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "giving files away needs root");
        var user = new InvokingUser(_home, 12345, 54321, Path.Combine(_home, ".kube", "config"));
        await new KubeconfigFile(user).MergeAsync(Minke, makeCurrent: false, TestContext.Current.CancellationToken);

        foreach (var path in (string[])[user.KubeconfigPath, Path.GetDirectoryName(user.KubeconfigPath)!])
        {
            using var stat = System.Diagnostics.Process.Start(
                new System.Diagnostics.ProcessStartInfo("stat", ["-c", "%u:%g", path]) { RedirectStandardOutput = true })!;
            Assert.Equal("12345:54321\n", await stat.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken));
        }
    }

    private KubeconfigFile File(Func<string, string?> environment) =>
        new(InvokingUser.From(name => name == "HOME" ? _home : environment(name), passwd: "", isRoot: false));

    private static Task<string> Read(string path) => System.IO.File.ReadAllTextAsync(path, TestContext.Current.CancellationToken);
}
