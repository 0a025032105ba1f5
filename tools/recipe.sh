# shellcheck shell=bash
# The frame of every recipe: options, the choice of stages, and the closing words. Sourced by recipes/NAME/run.sh.
#
# A recipe says, before it sources this file:
#   tag=deepspeech                  the default name of its experiment folder, exp/TAG
#   options=("lang=en|es" "train:path")  its own options, or () for none. NAME=A|B|C: one of these, the first by
#                                   default; NAME=WORD: any word, WORD by default; NAME:path: a file or folder
# and afterwards calls 'stage NAME COMMAND ARGS...' for each stage (a stage may have several commands), 'recognise DATA
# EXP TEST' for each test set, and, last, 'results DATA EXP'. It finds these set:
#   $corpus  an array: --corpus DIR, or empty     $config  an array: --config FILE and every --set
#   $force   an array: --force, or empty          $device  an array: --device D, or empty
#   $nj      processes                            $tag  the experiment's name
#   and a variable for each of its own options, dashes turned to underscores; paths are absolute.
# The working directory is then the recipe's folder.

set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/bootstrap.sh"
trap 'say "run.sh: interrupted; the same command goes on from here"; exit 130' INT

home=$(cd -- "$(dirname -- "$0")" && pwd) # the recipe's folder
recipe=$(basename -- "$home")
stages=(prepare features tokenizer train decode score)
declare -A stage_help=(
    [prepare]="the corpus -> data directories (train, dev, test)"
    [features]="data directories -> features.h5 in each"
    [tokenizer]="the training text -> data/tokenizer"
    [train]="features and tokenizer -> exp/TAG"
    [decode]="a language model, tuned on dev; the test features -> exp/TAG/decode_test/text"
    [score]="truth and text -> exp/TAG/decode_test/wer.txt"
)
generic=(stage stop-stage set corpus tag config nj force device list help)
known=("${generic[@]}" "${options[@]%%[=:]*}")

usage() {
    sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$home/run.sh"
    cat <<END

usage: ./run.sh $recipe [options]

  --stage N|NAME         begin with this stage (default: 0, ${stages[0]})
  --stop-stage N|NAME    end with this stage (default: $((${#stages[@]} - 1)), ${stages[-1]})
  --set SECTION.KEY=V    override the configuration: --set train.epochs=5; may be repeated
  --config FILE          the experiment's configuration (default: conf/train.yaml)
  --tag TAG              the experiment's folder is exp/TAG (default: $default_tag, or FILE's name)
  --corpus DIR           the corpus is here: fetch nothing
  --nj N                 processes for feature extraction (default: one per core)
  --device auto|cpu|cuda where to compute (default: auto, a GPU if there is one)
  --force                make the chosen stages' outputs anew
  --list                 list the stages
  -h, --help             this text

A stage whose output is there already, made from the same, is skipped. Killed anywhere, the same command goes on.
END
}

list_stages() {
    local at
    for at in "${!stages[@]}"; do
        printf '%d  %-10s %s\n' "$at" "${stages[at]}" "${stage_help[${stages[at]}]:-}"
    done
}

# stage_number OPTION N|NAME: the stage's number, in 'number'.
stage_number() {
    for number in "${!stages[@]}"; do
        if [ "$2" = "$number" ] || [ "$2" = "${stages[number]}" ]; then return; fi
    done
    fail "$1: no stage '$2'; $(nearest "$2" "${stages[@]}"); see './run.sh $recipe --list'"
}

# absolute OPTION PATH: what must be there, as an absolute path, in 'path'.
absolute() {
    [ -e "$2" ] || fail "$1: no file or folder '$2'"
    path=$(realpath -- "$2")
}

# own_option NAME VALUE: a recipe's own option, checked, into the variable of that name.
own_option() {
    local each choices value=$2 path
    for each in "${options[@]}"; do
        [ "${each%%[=:]*}" = "$1" ] || continue
        if [ "$each" = "$1:path" ]; then
            absolute "--$1" "$value"
            value=$path
        elif [[ $each = *"|"* ]]; then
            IFS='|' read -ra choices <<<"${each#*=}"
            [[ "|${each#*=}|" = *"|$value|"* ]] || fail "--$1: '$value'; $(nearest "$value" "${choices[@]}")"
        fi
        printf -v "${1//-/_}" %s "$value"
    done
}

# option NAME VALUE: one option of the command line that takes a value.
option() {
    local number path
    case $1 in
        stage) stage_number --stage "$2" && first=$number ;;
        stop-stage) stage_number --stop-stage "$2" && last=$number ;;
        set) settings+=(--set "$2") ;;
        corpus) absolute --corpus "$2" && corpus=(--corpus "$path") ;;
        config) absolute --config "$2" && config_file=$path ;;
        tag) [[ $2 =~ ^[[:alnum:]_.+-]+$ ]] || fail "--tag: '$2'; expected letters, digits and '_.+-'"; given_tag=$2 ;;
        nj) [[ $2 =~ ^[1-9][0-9]*$ ]] || fail "--nj: '$2'; expected a whole number, 1 or more"; nj=$2 ;;
        device) device=(--device "$2") ;;
        *) own_option "$1" "$2" ;;
    esac
}

parse() {
    local name
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help) usage; exit 0 ;;
            --list) list_stages; exit 0 ;;
            --force) force=(--force); shift; continue ;;
            --*) name=${1#--} name=${name%%=*} ;;
            -*) fail "$1: no such option; see './run.sh $recipe --help'" ;;
            *) fail "'$1': not an option; a recipe's name comes first; see './run.sh $recipe --help'" ;;
        esac
        [[ " ${known[*]} " = *" $name "* ]] ||
            fail "--$name: no such option; $(nearest "--$name" "${known[@]/#/--}"); see './run.sh $recipe --help'"
        if [[ $1 = *=* ]]; then
            option "$name" "${1#*=}"
            shift
        else
            [ $# -gt 1 ] || fail "--$name: no value; see './run.sh $recipe --help'"
            option "$name" "$2"
            shift 2
        fi
    done
    [ "$first" -le "$last" ] || fail "--stop-stage: '${stages[last]}' comes before --stage '${stages[first]}'"
}

dstoolkit() {
    "$python" -m dstoolkit "$@"
}

# stage NAME COMMAND ARGS...: run the command if the stage is among the chosen ones.
stage() {
    local name=$1 number start=$SECONDS status=0
    shift
    stage_number stage "$name"
    if [ "$number" -lt "$first" ] || [ "$number" -gt "$last" ]; then return; fi
    say "== stage $number: $name"
    say "\$$(printf ' %q' "$@")"
    "$@" || status=$?
    if [ "$status" -ne 0 ]; then
        say "run.sh: stage $number ($name) ended with status $status after $((SECONDS - start)) s"
        exit "$status"
    fi
    say "== stage $number: $name: $((SECONDS - start)) s"
}

# recognise DATA EXP TEST [OPTION...]: the stages decode and score of the test set DATA/TEST, with the language model as
# it was tuned (into EXP/decode_TEST) and greedily (into EXP/decode_TEST_greedy). Options are for 'dstoolkit score';
# the report plays the audio where there is some.
recognise() {
    local data=$1/$3 out=$2/decode_$3 exp=$2 each sound=()
    shift 3
    if [ -e "$data/wav.scp" ]; then sound=(--audio "$data"); fi
    stage decode dstoolkit decode "$exp" "$data" --out "$out" --config "$exp/tune/best.yaml" \
        "${device[@]}" "${force[@]}"
    stage decode dstoolkit decode "$exp" "$data" --out "${out}_greedy" --set decoder=greedy \
        "${device[@]}" "${force[@]}"
    for each in "${out}_greedy" "$out"; do
        stage score dstoolkit score --ref "$data/text" --hyp "$each/text" --utt2spk "$data/utt2spk" "${sound[@]}" \
            --out "$each" "$@"
    done
}

# predictions REFERENCE HYPOTHESIS: three utterances spread over the test set, truth above prediction.
predictions() {
    awk '
        { id = $1; sub(/^[^ \t]+[ \t]*/, "") }
        NR == FNR { predicted[id] = $0; next }
        { ids[++n] = id; truth[n] = $0 }
        END {
            count = n < 3 ? n : 3
            for (i = 1; i <= count; i++) {
                at = int((2 * i - 1) * n / (2 * count)) + 1
                printf "%s\n  true: %s\n  pred: %s\n", ids[at], truth[at], predicted[ids[at]]
            }
        }' "$2" "$1"
}

# results DATA EXP: after the table that 'dstoolkit score' shows, three predictions and where to look; nothing when
# the last stage was not among the chosen.
results() {
    local out=$2/decode_test each
    [ "$last" -eq $((${#stages[@]} - 1)) ] || return 0
    printf '\n'
    predictions "$1/test/text" "$out/text"
    printf '\n'
    for each in "report $out/report.html" "report $out/wer.txt" "scores $out/wer.json" "curves $2/curves.png"; do
        if [ -e "${each#* }" ]; then printf '%s: %s\n' "${each%% *}" "$(realpath --relative-to="$PWD0" "${each#* }")"; fi
    done
    printf 'total: %d s\n' "$SECONDS"
}

PWD0=$PWD
default_tag=$tag
first=0 last=$((${#stages[@]} - 1)) nj=$(env -u OMP_NUM_THREADS nproc) given_tag=
config_file=$home/conf/train.yaml
corpus=() force=() device=() settings=()
for each in "${options[@]}"; do # the defaults of the recipe's own options
    name=${each%%[=:]*} value=
    if [[ $each = *=* ]]; then value=${each#*=} value=${value%%|*}; fi
    printf -v "${name//-/_}" %s "$value"
done
parse "$@"
cd -- "$home"
find_dstoolkit
if [ -n "$given_tag" ]; then
    tag=$given_tag
elif [ "$config_file" != "$home/conf/train.yaml" ]; then
    tag=$(basename -- "${config_file%.*}")
fi
config=(--config "$(realpath -m --relative-to=. -- "$config_file")" "${settings[@]}")
