#!/usr/bin/env bash
# Your own recordings: Kaldi data directories, or CSV, TSV or JSON lines of audio file and text.
#
#   --train PATH           what to learn from: a Kaldi data directory, a manifest, or a folder that holds one
#   --dev PATH             what to choose the best epoch by, in the same form
#   --test PATH            what to recognise and score, in the same form
tag=deepspeech
options=("train:path" "dev:path" "test:path")
. "$(dirname "$0")/../../tools/recipe.sh"

exp=exp/$tag

for each in train dev test; do
    [ "$first" -gt 0 ] || [ -n "${!each}" ] || fail "--$each: not given; expected a Kaldi data directory or a manifest"
    stage prepare dstoolkit data import "${!each}" --out "data/$each" "${force[@]}"
done
stage features dstoolkit features extract data/{train,dev,test} "${config[@]}" --nj "$nj" "${force[@]}"
stage tokenizer dstoolkit tokenizer train data/train/text data/tokenizer "${config[@]}" "${force[@]}"
stage train dstoolkit train "$exp" "${config[@]}" --train data/train --dev data/dev --tokenizer data/tokenizer \
    "${device[@]}" "${force[@]}"
stage decode dstoolkit lm train data/train data/lm.arpa --order 3 --tokenizer data/tokenizer "${force[@]}"
stage decode dstoolkit decode tune "$exp" data/dev --lm data/lm.arpa --out "$exp/tune" "${device[@]}" "${force[@]}"
recognise data "$exp" test "${config[@]}"
results data "$exp"
