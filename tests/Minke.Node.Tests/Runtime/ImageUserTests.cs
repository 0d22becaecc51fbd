using FsCheck;
using FsCheck.Fluent;
using Minke.Node.Runtime;
using Minke.Node.Runtime.Embedded;

namespace Minke.Node.Tests.Runtime;

public sealed class ImageUserTests
{
    private const string Passwd = "# comment\nroot:x:0:0:root:/root:/bin/sh\n\nbroken\napp:x:1000:1001:app:/home/app:/bin/sh\nbare:x:2000:2000::\n";
    private const string Group = "root:x:0:\napp:x:1001:\nstaff:x:50:app,other\nwheel:x:51:root,app\nbad:x:no:app\n";

    [Theory]
    [InlineData("", 0, 0, "0,51", "/root")]
    [InlineData("app", 1000, 1001, "1001,50,51", "/home/app")]
    [InlineData("1000", 1000, 1001, "1001,50,51", "/home/app")]
    [InlineData("app:staff", 1000, 50, "50,51", "/home/app")]
    [InlineData("app:77", 1000, 77, "77,50,51", "/home/app")]
    [InlineData("4711", 4711, 0, "0", "/")]
    [InlineData("4711:4712", 4711, 4712, "4712", "/")]
    public void The_images_user_is_looked_up(string user, long uid, long gid, string groups, string home)
    {
        var resolved = ImageUser.Resolve(new ContainerSecurity(), user, Passwd, Group);
        Assert.Equal((uid, gid, groups, home), (resolved.Uid, resolved.Gid, string.Join(',', resolved.Groups), resolved.Home));
    }

    [Fact]
    public void What_the_pod_asks_wins_over_the_image()
    {
        var resolved = ImageUser.Resolve(
            new ContainerSecurity { RunAsUser = 1000, RunAsGroup = 5, SupplementalGroups = [9, 5] }, "bare:staff", Passwd, Group);
        Assert.Equal((1000L, 5L, "5,9,50,51"), (resolved.Uid, resolved.Gid, string.Join(',', resolved.Groups)));
    }

    [Theory]
    [InlineData("ghost", "unable to find user ghost: no matching entries in passwd file")]
    [InlineData("app:ghosts", "unable to find group ghosts: no matching entries in group file")]
    [InlineData("-1", "unable to find user -1: no matching entries in passwd file")]
    [InlineData("4294967296", "unable to find user 4294967296: no matching entries in passwd file")]
    public void What_cannot_be_found_is_refused(string user, string expected) =>
        Assert.Equal(expected, Assert.Throws<RuntimeException>(() => ImageUser.Resolve(new ContainerSecurity(), user, Passwd, Group)).Message);

    [Fact]
    public void Any_text_in_the_images_files_is_survived() => Prop.ForAll<NonNull<string>, NonNull<string>>((passwd, group) =>
    {
        var resolved = ImageUser.Resolve(new ContainerSecurity(), "", passwd.Get, group.Get);
        return resolved.Uid >= 0 && resolved.Groups.Count > 0;
    }).QuickCheckThrowOnFailure();
}
