#!/usr/bin/env bash
# CMU's AN4: names, addresses and numbers, spelled and spoken, 84 people, 16 kHz; as audio or as Sphinx cepstra.
#
#   --form audio|mfc       what to read (default: audio); mfc takes conf/mfc.yaml, data_mfc and exp/TAG_mfc
tag=deepspeech
options=("form=audio|mfc")
. "$(dirname "$0")/../../tools/recipe.sh"

data=data exp=exp/$tag
if [ "$form" = mfc ]; then
    data=data_mfc exp=exp/${tag}_mfc
    if [ "${config[1]}" = conf/train.yaml ]; then config[1]=conf/mfc.yaml; fi
fi

stage prepare dstoolkit corpus prepare an4 --set "form=$form" --out "$data" --cache downloads "${corpus[@]}" "${force[@]}"
stage features dstoolkit features extract "$data"/{train,dev,test} "${config[@]}" --nj "$nj" "${force[@]}"
stage tokenizer dstoolkit tokenizer train "$data/train/text" "$data/tokenizer" "${config[@]}" "${force[@]}"
# Words are learned in other orders too: a first training, short and lightly augmented, finds where they are.
sources=(--train "$data/train" --dev "$data/dev" --tokenizer "$data/tokenizer" "${device[@]}" "${force[@]}")
light=(--set augment.splice=0 --set 'augment.tempo=[]' --set augment.time_masks_per_second=1.5 --set encoder.dropout=0.2
    --set train.epochs=20 --set train.batch_seconds=30 --set train.lr=3e-3 --set train.consistency=0 --set train.keep=best)
stage train dstoolkit train "${exp}_first" "${config[@]}" "${light[@]}" "${sources[@]}"
stage train dstoolkit align "${exp}_first" "$data/train" --out "${exp}_first/aligned" "${device[@]}" "${force[@]}"
stage train dstoolkit train "$exp" --init "${exp}_first" "${config[@]}" \
    --set "augment.alignments=${exp}_first/aligned/ctm" "${sources[@]}"
stage decode dstoolkit lm train "$data/train" "$data/lm.arpa" --order 4 --tokenizer "$data/tokenizer" "${force[@]}"
stage decode dstoolkit decode tune "$exp" "$data/dev" --lm "$data/lm.arpa" --out "$exp/tune" \
    "${device[@]}" "${force[@]}"
recognise "$data" "$exp" test
results "$data" "$exp"
