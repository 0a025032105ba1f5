# shellcheck shell=bash
# Finds a Python that has dstoolkit, or makes an environment that has it. Sourced by tools/recipe.sh and tools/test.sh.
# Needs bash 4.4 and coreutils, nothing else. PYTHON=python3.12 chooses the interpreter; pip's own settings
# (PIP_INDEX_URL, PIP_FIND_LINKS, ...) are honoured.

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)

# fail MESSAGE: an error the user can mend, in the form of dstoolkit's own: 'where: found; expected; what to do'.
fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 2
}

say() {
    printf '%s\n' "$*" >&2
}

# nearest WORD KNOWN...: "did you mean 'train'?", or the known words where none is near.
nearest() {
    local word=$1 close=
    shift
    close=$(python3 -c 'import difflib, sys; print(*difflib.get_close_matches(sys.argv[1], sys.argv[2:], n=1))' \
        "$word" "$@" 2>/dev/null) || true
    if [ -n "$close" ]; then
        printf "did you mean '%s'?" "$close"
    else
        printf 'expected one of: %s' "$1"
        shift
        [ $# -eq 0 ] || printf ', %s' "$@"
    fi
}

# has_dstoolkit PYTHON: dstoolkit and the heaviest of what it needs are installed there. Run from / because a checkout
# in the working directory could be imported without being installed.
has_dstoolkit() {
    (cd / && "$1" -c 'import importlib.metadata as m, importlib.util as u, sys
m.version("dstoolkit"); sys.exit(not all(map(u.find_spec, ("dstoolkit", "click", "numba", "torch"))))') 2>/dev/null
}

# base_python: the interpreter to make an environment with, on standard output.
base_python() {
    local each seen=()
    for each in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
        "$each" -c '' 2>/dev/null || continue
        seen+=("$each is $("$each" -c 'import platform; print(platform.python_version())')")
        "$each" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || continue
        "$each" -c 'import ensurepip, venv' 2>/dev/null || fail \
            "$each: has no module 'venv' that works; on Debian and Ubuntu 'apt install python3-venv' adds it"
        printf '%s\n' "$each"
        return
    done
    fail "python: found ${seen[*]:-none}; expected Python 3.10 to 3.13; install one, or name it: PYTHON=/path/to/python3"
}

# wanted_digest: what an environment was made from. A change of any of these installs again.
wanted_digest() {
    { printf '%s\n' "$root" "$@"; cat -- "$root/setup.py" "$root/constraints.txt"; } | sha256sum | cut -d ' ' -f 1
}

# pip_install PYTHON LOG ARGS...: pip's chatter goes to LOG; a terminal sees its current line, and all see a failure.
pip_install() {
    local python=$1 log=$2 line
    shift 2
    "$python" -m pip install --progress-bar off "$@" 2>&1 | while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        if [ -t 2 ]; then printf '\r\033[K  %.76s' "$line" >&2; fi
    done
    local status=${PIPESTATUS[0]}
    if [ -t 2 ]; then printf '\r\033[K' >&2; fi
    return "$status"
}

# ensure_environment FOLDER TARGET: FOLDER becomes a virtual environment with TARGET ('.', '.[test]') installed.
# A marker is written last, so that an interrupted install is finished by the next call.
ensure_environment() {
    local folder=$1 target=$2 base digest start=$SECONDS
    local marker=$folder/installed log=$folder/install.log
    digest=$(wanted_digest "$target")
    if [ "$(cat -- "$marker" 2>/dev/null)" = "$digest" ] && "$folder/bin/python" -c '' 2>/dev/null; then
        return
    fi
    base=$(base_python) || exit
    mkdir -p -- "$folder"
    if command -v flock >/dev/null; then # two runs at once: the second waits for the first
        exec 9<"$folder"
        flock 9
        if [ "$(cat -- "$marker" 2>/dev/null)" = "$digest" ]; then exec 9<&-; return; fi
    fi
    rm -f -- "$marker"
    if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
        say "making $folder with $("$base" --version)"
        "$base" -m venv --clear -- "$folder" || fail "$folder: '$base -m venv' failed"
    fi
    say "installing dstoolkit and what it needs (PyTorch is the large part); a few minutes, once"
    : >"$log"
    if ! (cd -- "$root" && pip_install "$folder/bin/python" "$log" -c constraints.txt -e "$target"); then
        tail -n 5 -- "$log" >&2
        fail "$folder: pip could not install dstoolkit; the whole story is in $log; the same command tries again"
    fi
    printf '%s\n' "$digest" >"$marker"
    if command -v flock >/dev/null; then exec 9<&-; fi
    say "installed in $((SECONDS - start)) s"
}

# find_dstoolkit: sets 'python' to an interpreter that has dstoolkit: the one in use, or .venv's, made if need be.
find_dstoolkit() {
    python=${PYTHON:-python3}
    if ! has_dstoolkit "$python"; then
        ensure_environment "$root/.venv" .
        python=$root/.venv/bin/python
    fi
}
