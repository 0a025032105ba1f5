#!/usr/bin/env bash
# Everything about the CTC loss and training that only a GPU can show, in one command; nothing is installed.
#
#   tools/gpu_check.sh                  with the Python on the PATH, which needs '.[test]' and a torch for CUDA
#   PYTHON=python3.12 OUT=logs tools/gpu_check.sh
#
# In this order: the GPU, the CUDA tests for real, compute-sanitizer on the smallest of them where it is installed, what
# each kernel needs, and the benchmarks, whose tables come last. Each step's output is a log in OUT (default: here).
set -uo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit
python=${PYTHON:-python3}
out=${OUT:-.}
mkdir -p -- "$out"
failed=()

# step NAME COMMAND...: runs it with its output shown and kept.
step() {
    local name=$1
    shift
    printf '== %s: %s\n' "$name" "$*"
    "$@" 2>&1 | tee -- "$out/$name.log"
    [ "${PIPESTATUS[0]}" -eq 0 ] || failed+=("$name")
}

"$python" -c 'import sys; from dstoolkit.ctc import cuda; sys.exit(cuda.available())' || exit 1
step gpu nvidia-smi
step tests "$python" -m pytest -q -p no:cacheprovider tests/ctc tests/training/test_cuda.py
if command -v compute-sanitizer >/dev/null; then
    small='fewer_tokens_than_positions or more_tokens_than_positions or cross_warps or viterbi'
    for tool in memcheck racecheck synccheck; do
        step "sanitizer-$tool" compute-sanitizer --tool "$tool" --error-exitcode 9 --log-file "$out/$tool.txt" \
            "$python" -m pytest -q -p no:cacheprovider tests/ctc/test_cuda.py -k "$small"
    done
else
    echo '== no compute-sanitizer here: that check is left out'
fi
step kernels "$python" tools/ptx.py
step benchmark "$python" tools/bench/ctc.py --device cuda --json "$out/ctc-cuda.json"
step training "$python" tools/bench/training.py --device cuda --json "$out/training-cuda.json"
[ ${#failed[@]} -eq 0 ] || { printf 'failed: %s\n' "${failed[*]}" && exit 1; }
