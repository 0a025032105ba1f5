#!/usr/bin/env bash
# One professional voice, 25 minutes at 8 kHz: the Asterisk core sounds, from Debian's packages. The default recipe.
#
#   --lang en|es|fr|it|ru  the voice's language (default: en); others go to data_LANG and exp/TAG_LANG
tag=deepspeech
options=("lang=en|es|fr|it|ru")
. "$(dirname "$0")/../../tools/recipe.sh"

data=data exp=exp/$tag
if [ "$lang" != en ]; then # its letters are those of its training text
    data=data_$lang exp=exp/${tag}_$lang
    config=("${config[@]:0:2}" --set tokenizer.characters=derive "${config[@]:2}")
fi

stage prepare dstoolkit corpus prepare prompts --set "lang=$lang" --out "$data" --cache downloads \
    "${corpus[@]}" "${force[@]}"
stage features dstoolkit features extract "$data"/{train,dev,test} "${config[@]}" --nj "$nj" "${force[@]}"
stage tokenizer dstoolkit tokenizer train "$data/train/text" "$data/tokenizer" "${config[@]}" "${force[@]}"
stage train dstoolkit train "$exp" "${config[@]}" --train "$data/train" --dev "$data/dev" \
    --tokenizer "$data/tokenizer" "${device[@]}" "${force[@]}"
stage decode dstoolkit lm train "$data/train" "$data/lm.arpa" --order 3 --tokenizer "$data/tokenizer" \
    "${force[@]}"
stage decode dstoolkit decode tune "$exp" "$data/dev" --lm "$data/lm.arpa" --out "$exp/tune" \
    "${device[@]}" "${force[@]}"
recognise "$data" "$exp" test
results "$data" "$exp"
