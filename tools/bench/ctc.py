"""The CTC loss, forward and backward from the logits: ours, torch's, and cuDNN's on a GPU, in one process.

    python tools/bench/ctc.py [--device cpu|cuda] [--repeats 15] [--threads N] [--case T,B,V,U]... [--json FILE]

T frames, B utterances, V tokens, U labels. Random logits and targets; all utterances have full length. All start from
the same logits tensor and end with its gradient; torch's loss gets what it needs, log_softmax, inside the time. They
take turns, four calls in a row each, of which the first does not count.

- ratio: torch's median over ours; above 1 we are faster. "cudnn": the same for cuDNN's, where it takes the case.
- softmax: our median over that of torch's softmax and its gradient alone, which any CTC loss contains.
- states/s: B T (2U + 1) over our median. copy: the time of copying the logits (read once, written once, as the
  gradient must be) in percent of ours. barriers (GPU): the time of T barriers of a block, the least a recursion over
  frames can take, in percent of ours.
- error: the largest of the gradient against torch's loss in double precision, two utterances a case, ours and torch's.

``--first-call`` instead times the first call in a fresh process, without and with the compiled code on disk.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import commit, processor
from torch import Tensor

from dstoolkit.ctc.loss import ctc_loss

GRID = [
    (150, 32, 29, 40),
    (400, 16, 29, 100),
    (800, 16, 29, 200),
    (500, 16, 1000, 60),
    (750, 32, 5000, 60),
    (150, 1, 29, 40),
    (400, 1, 29, 100),
    (800, 1, 29, 200),
    (500, 1, 1000, 60),
    (750, 1, 5000, 60),
    (50, 4, 12, 8),
]
BURST = 4  # calls in a row
HEAVY = 50_000_000  # logits, from which a case is repeated a third as often
FIRST_CALL = (
    "from dstoolkit.ctc.loss import ctc_loss; import torch, time; x = torch.randn(2, 50, 29, requires_grad=True); \
start = time.perf_counter(); \
ctc_loss(x, torch.tensor([50, 40]), torch.ones(2, 5, dtype=torch.long), torch.tensor([5, 4])).backward(); \
print(time.perf_counter() - start)"
)

Loss = Callable[[Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, help="of the CPU; torch's default otherwise")
    parser.add_argument(
        "--case", action="append", type=lambda text: tuple(map(int, text.split(","))), metavar="T,B,V,U"
    )
    parser.add_argument("--json", type=Path, help="write the table here too")
    parser.add_argument("--first-call", action="store_true", help="time compilation and the cache on disk instead")
    arguments = parser.parse_args()
    if arguments.first_call:
        return first_call()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    print(f"{about(device)}, median of {arguments.repeats}, milliseconds")
    print(heading(device))
    rows = []
    for case in arguments.case or GRID:
        rows.append(measure(case, device, arguments.repeats))
        print(line(rows[-1], device), flush=True)
    if arguments.json:
        record = {
            "commit": commit(),
            "machine": about(device),
            "repeats": arguments.repeats,
            "unit": "ms",
            "rows": rows,
        }
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


def first_call() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for what in ("compiling", "from the cache"):
            command = [sys.executable, "-c", FIRST_CALL]
            run = subprocess.run(
                command, env={**os.environ, "NUMBA_CACHE_DIR": folder}, check=True, capture_output=True
            )
            print(f"first call, {what}: {float(run.stdout):.2f} s")


def measure(case: tuple[int, ...], device: torch.device, repeats: int) -> dict[str, Any]:
    """Median milliseconds of each contender and the figures that follow from them."""
    frames, batch, _, labels = case
    logits, *integers = inputs(case, device)
    runs: dict[str, Callable[[], object]] = {
        "ours": gradient_of(lambda x: ctc_loss(x, *integers, reduction="none", backend="numba"), logits),
        "torch": gradient_of(native(*integers), logits),
        "softmax": gradient_of(lambda x: x.softmax(2), logits),
        "copy": copying(logits),
    }
    if device.type == "cuda":
        runs["cudnn"] = gradient_of(cudnn(*integers), logits)
        runs["barriers"] = barriers(frames)
        runs = {name: run for name, run in runs.items() if possible(run)}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats if logits.numel() < HEAVY else max(3, repeats // 3)):
        for name, run in runs.items():
            burst = [timed(run, device) for _ in range(BURST)]
            times[name] += burst[1:]  # the first finds the caches full of another's data
    median = {name: statistics.median(each) for name, each in times.items()}
    ours = median["ours"]
    return {
        "case": dict(zip("TBVU", case, strict=True)),
        "ms": median,
        "best_ms": {name: min(each) for name, each in times.items()},
        "ratio": median["torch"] / ours,
        "cudnn_ratio": median["cudnn"] / ours if "cudnn" in median else None,
        "of_softmax": ours / median["softmax"],
        "states_per_second": batch * frames * (2 * labels + 1) / ours * 1e3,
        "copy_percent": 100 * median["copy"] / ours,
        "barriers_percent": 100 * median["barriers"] / ours if "barriers" in median else None,
        **errors(case, device),
    }


def inputs(case: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    frames, batch, vocab, labels = case
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(batch, frames, vocab, generator=generator)
    targets = torch.randint(1, vocab, (batch, labels), generator=generator)
    lengths = torch.full((batch,), frames), targets, torch.full((batch,), labels)
    first, second, third = (each.to(device) for each in lengths)
    return logits.to(device).requires_grad_(), first, second, third


def native(lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Loss:
    """torch's own kernels. Lengths are where each wants them: cuDNN is taken only for lengths on the CPU."""

    def loss(logits: Tensor) -> Tensor:
        log_probs = logits.log_softmax(2).transpose(0, 1)
        return torch.nn.functional.ctc_loss(log_probs, targets, lengths, target_lengths, reduction="none")

    return loss


def cudnn(lengths: Tensor, targets: Tensor, target_lengths: Tensor) -> Loss:
    """cuDNN's: int32, concatenated targets on the CPU, as torch asks for it. RuntimeError where cuDNN declines."""
    lengths, target_lengths = lengths.cpu().int(), target_lengths.cpu().int()
    flat = targets.cpu().int().reshape(-1)

    def loss(logits: Tensor) -> Tensor:
        log_probs = logits.log_softmax(2).transpose(0, 1)
        if not torch._use_cudnn_ctc_loss(log_probs, flat, lengths, target_lengths, 0):
            raise RuntimeError("cuDNN does not take this case")
        return torch.nn.functional.ctc_loss(log_probs, flat, lengths, target_lengths, reduction="none")

    return loss


def gradient_of(loss: Loss, logits: Tensor) -> Callable[[], Tensor]:
    def run() -> Tensor:
        values = loss(logits)
        return torch.autograd.grad(values, logits, torch.ones((), device=logits.device).expand_as(values))[0]

    return run


def copying(logits: Tensor) -> Callable[[], Tensor]:
    source = logits.detach()
    return lambda: source.clone()


def barriers(frames: int) -> Callable[[], None]:
    """One block of 128 threads that does nothing but wait for itself, once a frame."""
    from numba import cuda

    @cuda.jit
    def wait(count: int) -> None:
        for _ in range(count):
            cuda.syncthreads()

    return lambda: wait[1, 128, cuda.external_stream(torch.cuda.current_stream().cuda_stream)](frames)


def possible(run: Callable[[], object]) -> bool:
    try:
        run()
    except RuntimeError:
        return False
    return True


def timed(run: Callable[[], object], device: torch.device) -> float:
    """Milliseconds; on a GPU between events on its stream."""
    if device.type == "cpu":
        start = time.perf_counter()
        run()
        return 1e3 * (time.perf_counter() - start)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    run()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def errors(case: tuple[int, ...], device: torch.device) -> dict[str, float]:
    """The largest error of the gradient in single precision, over two utterances."""
    frames, batch, vocab, labels = case
    logits, *integers = inputs((frames, min(batch, 2), vocab, labels), device)
    exact = gradient_of(native(*(each.cpu() for each in integers)), logits.detach().double().cpu().requires_grad_())()
    found = {
        "error": gradient_of(lambda x: ctc_loss(x, *integers, reduction="none", backend="numba"), logits)(),
        "torch_error": gradient_of(native(*integers), logits)(),
    }
    return {name: float((each.cpu().double() - exact).abs().max()) for name, each in found.items()}


def heading(device: torch.device) -> str:
    names = ["T,B,V,U", "ours", "torch", "ratio", "softmax", "states/s", "copy", "error", "torch's"]
    if device.type == "cuda":
        names[4:4] = ["cudnn", "barriers"]
    return f"{names[0]:18}" + "".join(f"{name:>10}" for name in names[1:])


def line(row: dict[str, Any], device: torch.device) -> str:
    cells = [
        f"{row['ms']['ours']:.2f}",
        f"{row['ms']['torch']:.2f}",
        f"{row['ratio']:.1f} x",
        f"{row['of_softmax']:.2f} x",
        f"{row['states_per_second']:.1e}",
        f"{row['copy_percent']:.0f} %",
        f"{row['error']:.0e}",
        f"{row['torch_error']:.0e}",
    ]
    if device.type == "cuda":
        cudnn_ratio = f"{row['cudnn_ratio']:.1f} x" if row["cudnn_ratio"] else "-"
        cells[3:3] = [cudnn_ratio, f"{row['barriers_percent']:.0f} %"]
    return f"{','.join(map(str, row['case'].values())):18}" + "".join(f"{cell:>10}" for cell in cells)


def about(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"
    return f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


if __name__ == "__main__":
    main()
