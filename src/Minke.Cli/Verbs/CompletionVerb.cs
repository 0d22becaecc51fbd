namespace Minke.Cli.Verbs;

/// <summary><c>minke completion</c>: a shell asks the program itself, so its answers are never out of date.</summary>
internal static class CompletionVerb
{
    public static readonly string[] Shells = ["bash", "zsh", "fish"];

    public static string Script(string shell) => shell switch
    {
        "bash" => """
            # minke completion for bash: source <(minke completion bash)
            _minke() {
                local IFS=$'\n' words
                words=$(minke "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null)
                COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
            }
            complete -o default -F _minke minke ./minke

            """,
        "zsh" => """
            #compdef minke
            # minke completion for zsh: source <(minke completion zsh)
            _minke() {
                local words
                words=("${(@f)$(minke "[suggest:$CURSOR]" "$BUFFER" 2>/dev/null)}")
                compadd -a words || _files
            }
            compdef _minke minke

            """,
        "fish" => """
            # minke completion for fish: minke completion fish | source
            complete -c minke -a '(minke "[suggest:"(commandline -C)"]" (commandline) 2>/dev/null)'

            """,
        _ => throw new CliException($"there is no completion for {shell}; there is for {string.Join(", ", Shells)}"),
    };
}
