# shellcheck shell=bash disable=SC2154
# What ./minke and ./test share: missing packages, and building as the owner of the tree. Sourced by bash; expects $root.

say() { printf 'minke: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Prints the packages that bring what this machine lacks. Arguments are command:package or libsomething.so.N:package.
missing_packages() {
    local pair name found
    for pair in "$@"; do
        name=${pair%%:*}
        case $name in
            lib*.so.*)
                found=$(compgen -G "/usr/lib/*/$name" || compgen -G "/lib/*/$name" || compgen -G "/usr/lib*/$name" || true) ;;
            /*) found=$(compgen -G "$name" || true) ;;
            *) found=$(PATH=$PATH:/usr/sbin:/sbin type -P "$name" || true) ;;
        esac
        [ -n "$found" ] || printf '%s\n' "${pair#*:}"
    done
}

# Installs Debian packages by name, saying which.
install_packages() {
    [ $# -gt 0 ] || return 0
    [ "$EUID" -eq 0 ] || die "missing packages: $*. Install them with: sudo apt-get install $*"
    type -P apt-get >/dev/null || die "missing: $*, and there is no apt-get here. Install them with this system's own package tool."
    say "installing packages: $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 || say "apt-get update failed; trying with the package lists that are here"
    apt-get install -y -qq --no-install-recommends "$@" >&2 ||
        die "could not install $*: see the lines above, mend the package sources, run this again"
}

# Sets $dotnet to an SDK; sudo hides one that lies in the user's own directory.
find_dotnet() {
    local owner_home candidate
    owner_home=$(getent passwd "$(stat -c %u "$root")" | cut -d: -f6)
    dotnet=
    for candidate in "$(type -P dotnet || true)" "${DOTNET_ROOT:-/nonexistent}/dotnet" "$owner_home/.dotnet/dotnet" \
        /usr/share/dotnet/dotnet /usr/lib/dotnet/dotnet /usr/local/share/dotnet/dotnet; do
        if [ -x "$candidate" ] && "$candidate" --list-sdks 2>/dev/null | grep -qE '^1[0-9]\.'; then
            dotnet=$candidate
            return
        fi
    done
    if [ "$EUID" -eq 0 ] && type -P apt-cache >/dev/null && apt-cache policy dotnet-sdk-10.0 2>/dev/null | grep -q 'Candidate: [0-9]'; then
        install_packages dotnet-sdk-10.0
        dotnet=$(type -P dotnet)
        return
    fi
    die "building needs the .NET 10 SDK: https://dot.net/download, or: curl -sSL https://dot.net/v1/dotnet-install.sh | bash -s -- --channel 10.0"
}

# Runs a command as the owner of the tree, so that sudo leaves nothing in it that only root can change.
as_owner() {
    local owner group home
    owner=$(stat -c %u "$root") group=$(stat -c %g "$root")
    home=$(getent passwd "$owner" | cut -d: -f6)
    if [ "$EUID" -ne 0 ] || [ "$owner" -eq 0 ] || [ -z "$home" ]; then
        "$@"
    else
        HOME=$home setpriv --reuid "$owner" --regid "$group" --clear-groups -- "$@"
    fi
}

# dotnet, quiet and leaving no server process behind. One compiler server for the length of the build halves its time: Roslyn and the
# analysers are compiled by the JIT once instead of once a project, and without the profile that only long runs earn back.
run_dotnet() {
    [ -n "${dotnet:-}" ] || find_dotnet
    local pipe=minke-$$-$RANDOM status=0
    as_owner env DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 MSBUILDDISABLENODEREUSE=1 \
        DOTNET_TieredPGO=0 "$dotnet" "$@" -p:UseSharedCompilation=true -p:SharedCompilationId="$pipe" || status=$?
    stop_compiler_server "$pipe"
    return "$status"
}

stop_compiler_server() {
    local sdk
    sdk=$(dirname -- "$(readlink -f -- "$dotnet")")/sdk/$(cd "$root" && "$dotnet" --version)/Roslyn/bincore
    if [ -x "$sdk/VBCSCompiler" ]; then
        as_owner "$sdk/VBCSCompiler" -shutdown -pipename:"$1"
    elif [ -e "$sdk/VBCSCompiler.dll" ]; then
        as_owner "$dotnet" exec "$sdk/VBCSCompiler.dll" -shutdown -pipename:"$1"
    fi >/dev/null 2>&1 || true
}

# One line that changes when any file below the given paths does: names, sizes and times, no contents, so it takes milliseconds.
fingerprint() {
    cd "$root" && find "$@" \( -name bin -o -name obj -o -name .build -o -name node_modules \) -prune -o -type f -printf '%p %s %T@\n' | cksum
}

sources=(src api Directory.Build.props Directory.Packages.props global.json .editorconfig)

# Makes .build/minke current: the self-contained, trimmed, ready-to-run single file.
publish_minke() {
    local now
    now=$(fingerprint "${sources[@]}")
    [ "$now" != "$(cat "$root/.build/minke.stamp" 2>/dev/null)" ] || [ ! -x "$root/.build/minke" ] || return 0
    as_owner mkdir -p "$root/.build"
    (
        # Two starts at once build once.
        as_owner touch "$root/.build/lock"
        exec 9<"$root/.build/lock"
        flock 9
        [ "$now" != "$(cat "$root/.build/minke.stamp" 2>/dev/null)" ] || [ ! -x "$root/.build/minke" ] || exit 0
        say "building (once, and again when sources change) …"
        find_dotnet
        as_owner touch "$root/.build/publish.log"
        if ! run_dotnet publish "$root/src/Minke/Minke.csproj" -c Release -r "$(runtime_id)" -o "$root/.build/publish" --nologo -v quiet \
            -warnaserror >"$root/.build/publish.log" 2>&1; then
            cat "$root/.build/publish.log" >&2
            die "the build failed: the lines above say where"
        fi
        # A running cluster keeps the file it started from.
        as_owner mv -f "$root/.build/publish/minke" "$root/.build/minke"
        as_owner tee "$root/.build/minke.stamp" <<<"$now" >/dev/null
    )
}

runtime_id() {
    case $(uname -m) in
        x86_64) echo linux-x64 ;;
        aarch64) echo linux-arm64 ;;
        *) die "no .NET runtime for $(uname -m)" ;;
    esac
}
