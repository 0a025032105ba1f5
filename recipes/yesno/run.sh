#!/usr/bin/env bash
# Kaldi's smallest: 60 recordings of one man saying "yes" or "no" eight times, in Hebrew, at 8 kHz. OpenSLR 1.
tag=deepspeech
options=()
. "$(dirname "$0")/../../tools/recipe.sh"

exp=exp/$tag

stage prepare dstoolkit corpus prepare yesno --out data --cache downloads "${corpus[@]}" "${force[@]}"
stage features dstoolkit features extract data/{train,dev,test} "${config[@]}" --nj "$nj" "${force[@]}"
stage tokenizer dstoolkit tokenizer train data/train/text data/tokenizer "${config[@]}" "${force[@]}"
stage train dstoolkit train "$exp" "${config[@]}" --train data/train --dev data/dev --tokenizer data/tokenizer \
    "${device[@]}" "${force[@]}"
stage decode dstoolkit lm train data/train data/lm.arpa --order 1 --tokenizer data/tokenizer "${force[@]}"
stage decode dstoolkit decode tune "$exp" data/dev --lm data/lm.arpa --set decoder=beam \
    --set decoder.lexicon=conf/words.txt --out "$exp/tune" "${device[@]}" "${force[@]}"
recognise data "$exp" test
results data "$exp"
