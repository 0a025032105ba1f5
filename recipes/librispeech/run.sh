#!/usr/bin/env bash
# Read English books at 16 kHz: mini_librispeech (5 hours) or LibriSpeech (100, 460, 960 hours). OpenSLR 31 and 12.
#
#   --size mini|100|460|960  hours of training speech (default: mini); each has its data_SIZE and exp/TAG_SIZE
tag=deepspeech
options=("size=mini|100|460|960")
. "$(dirname "$0")/../../tools/recipe.sh"

data=data_$size exp=exp/${tag}_$size tests=(test test_other)
if [ "$size" = mini ]; then tests=(test); fi

stage prepare dstoolkit corpus prepare librispeech --set "size=$size" --out "$data" --cache downloads \
    "${corpus[@]}" "${force[@]}"
stage features dstoolkit features extract "$data"/{train,dev} "${tests[@]/#/$data/}" "${config[@]}" --nj "$nj" \
    "${force[@]}"
stage tokenizer dstoolkit tokenizer train "$data/train/text" "$data/tokenizer" "${config[@]}" "${force[@]}"
stage train dstoolkit train "$exp" "${config[@]}" --train "$data/train" --dev "$data/dev" \
    --tokenizer "$data/tokenizer" "${device[@]}" "${force[@]}"
stage decode dstoolkit lm train "$data/train" "$data/lm.arpa" --order 3 --tokenizer "$data/tokenizer" \
    "${force[@]}"
stage decode dstoolkit decode tune "$exp" "$data/dev" --lm "$data/lm.arpa" --alpha 0:1.5:0.5 --beta 0:2:1 \
    --out "$exp/tune" "${device[@]}" "${force[@]}"
for each in "${tests[@]}"; do
    recognise "$data" "$exp" "$each" --tokenizer "$data/tokenizer"
done
results "$data" "$exp"
