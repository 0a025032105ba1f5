#!/usr/bin/env bash
# ./run.sh [RECIPE] [options]: runs a recipe, from the corpus to its word error rate. See ./run.sh --help.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/tools/bootstrap.sh"

default=prompts

recipes() {
    local each
    for each in "$root"/recipes/*/run.sh; do
        basename -- "$(dirname -- "$each")"
    done
}

usage() {
    cat <<END
usage: ./run.sh [RECIPE] [options]

Runs a recipe, from the corpus to its word error rate; '$default' where none is named. On a machine where dstoolkit is
not installed it first makes .venv and installs it there.

  ./run.sh                                   the default recipe, all stages
  ./run.sh yesno --corpus /data/waves_yesno  another, with a corpus that is here already
  ./run.sh prompts --stage 2 --stop-stage 4 --set train.epochs=5

  --list           list the recipes; './run.sh RECIPE --list' lists a recipe's stages
  -h, --help       this text; './run.sh RECIPE --help' says a recipe's options
END
}

# A recipe's line is the second of its run.sh.
list_recipes() {
    local name
    for name in $(recipes); do
        printf '%-12s %s\n' "$name" "$(sed -n '2s/^# *//p' "$root/recipes/$name/run.sh")"
    done
}

case ${1:-} in
    -h | --help) usage; exit ;;
    --list) list_recipes; exit ;;
    -* | "") recipe=$default ;;
    *) recipe=$1; shift ;;
esac
# shellcheck disable=SC2046 # names of recipes hold no spaces
[[ $recipe != */* && -f $root/recipes/$recipe/run.sh ]] ||
    fail "no recipe '$recipe'; $(nearest "$recipe" $(recipes)); see './run.sh --list'"
exec bash "$root/recipes/$recipe/run.sh" "$@"
