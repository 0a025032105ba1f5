#!/usr/bin/env bash
# Ten English digits, one by one, by six speakers: the Free Spoken Digit Dataset, 3,000 recordings at 8 kHz.
#
#   --leave-out SPEAKER    train on the other five and test on all of this one's recordings, in data_SPEAKER and
#                          exp/TAG_SPEAKER (george, jackson, lucas, nicolas, theo or yweweler)
tag=deepspeech
options=("leave-out=none|george|jackson|lucas|nicolas|theo|yweweler")
. "$(dirname "$0")/../../tools/recipe.sh"

data=data exp=exp/$tag left_out=()
if [ "$leave_out" != none ]; then
    data=data_$leave_out exp=exp/${tag}_$leave_out left_out=(--set "leave_out=$leave_out")
fi

stage prepare dstoolkit corpus prepare fsdd "${left_out[@]}" --out "$data" --cache downloads "${corpus[@]}" "${force[@]}"
stage features dstoolkit features extract "$data"/{train,dev,test} "${config[@]}" --nj "$nj" "${force[@]}"
stage tokenizer dstoolkit tokenizer train "$data/train/text" "$data/tokenizer" "${config[@]}" "${force[@]}"
stage train dstoolkit train "$exp" "${config[@]}" --train "$data/train" --dev "$data/dev" --tokenizer "$data/tokenizer" \
    "${device[@]}" "${force[@]}"
stage decode dstoolkit lm train "$data/train" "$data/lm.arpa" --order 2 --tokenizer "$data/tokenizer" "${force[@]}"
stage decode dstoolkit decode tune "$exp" "$data/dev" --lm "$data/lm.arpa" --set decoder=beam \
    --set decoder.lexicon=conf/words.txt --out "$exp/tune" "${device[@]}" "${force[@]}"
recognise "$data" "$exp" test
results "$data" "$exp"
