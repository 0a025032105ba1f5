#!/usr/bin/env bash
# Every check a change must pass, on a fresh machine too: lint, format, types, then all tests.
#
#   tools/test.sh                        all of it
#   tools/test.sh tests/text -k numbers  the arguments go to pytest, which then runs alone
#   tools/test.sh -m 'not slow'          all tests but those of the recipes
#
# It makes its own environment, .venv-test, with the Python that PYTHON=python3.X names (default: python3). The real
# speech that some tests want is in DSTOOLKIT_CORPORA; without it they are skipped, saying so.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/bootstrap.sh"
cd -- "$root"

# The recipe tests fetch Debian packages as users do, with 'apt-get download', which wants the lists of packages; the
# report is opened in Chromium, and scores are held against sclite's.
if [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq >/dev/null 2>&1 || say "tools/test.sh: no lists of Debian packages; some tests will be skipped"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver sctk >/dev/null 2>&1 ||
        say "tools/test.sh: chromium, chromium-driver or sctk not installed; the tests that want them will be skipped"
fi

environment=$root/.venv-test
ensure_environment "$environment" '.[test]'
export PATH=$environment/bin:$PATH OMP_NUM_THREADS=1 # a thread a worker: the workers share the cores
unset PYTHON DSTOOLKIT_DISABLE_PLUGINS

if [ $# -gt 0 ]; then exec pytest "$@"; fi

failed=()
check() {
    say "== $*"
    "$@" || failed+=("$1")
}
check ruff check .
check ruff format --check .
check mypy
check shellcheck run.sh tools/*.sh recipes/*/run.sh
[ ${#failed[@]} -eq 0 ] || fail "checks failed: ${failed[*]}; mend them, or run the tests alone: tools/test.sh tests"

workers=$(env -u OMP_NUM_THREADS nproc) # which would say as many as OMP_NUM_THREADS
exec pytest -n "$((workers < 4 ? workers : 4))"
