using Minke.Node.Linux;
using Minke.Node.Runtime.Embedded;

namespace Minke.Node.Tests.Runtime;

public sealed class RuntimeWordsTests
{
    [Theory]
    [InlineData("SIGTERM", 15)]
    [InlineData("term", 15)]
    [InlineData("9", 9)]
    [InlineData("SIGRTMIN+3", 37)]
    [InlineData("SIGRTMAX-1", 63)]
    [InlineData("SIGUSR2", 12)]
    [InlineData("SIGNOTHING", null)]
    [InlineData("0", null)]
    [InlineData("65", null)]
    public void Signals_are_known_by_name_and_number(string name, int? number) => Assert.Equal(number, Processes.SignalNumber(name));

    [Theory]
    [InlineData("executable file `x` not found in $PATH: No such file or directory", "exec: \"x\": executable file not found in $PATH")]
    [InlineData("executable file `/bin/x` not found: No such file or directory", "exec: \"/bin/x\": stat /bin/x: no such file or directory")]
    [InlineData("mount `a` to `b`: Invalid argument", "mount `a` to `b`: Invalid argument")]
    public void Cruns_words_become_runcs(string said, string expected) => Assert.Equal(expected, StartErrors.Translate(said));

    [Fact]
    public void The_init_of_shared_process_namespaces_is_a_small_executable()
    {
        var executable = SandboxInit.Executable();
        Assert.Equal("\u007fELF"u8.ToArray(), executable[..4]);
        Assert.InRange(executable.Length, 150, 250);
    }
}
