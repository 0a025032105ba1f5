"""A training step of one recurrent layer on a CPU: torch's LSTM and GRU, padded and packed, beside ours.

Each case runs forwards and backwards from the same ``(16, frames, 256)`` inputs, whose lengths fall evenly from all
frames to 70 % of them, with gradients for inputs and weights. Columns:

- ms, best: a step, median and least of the repeats, the first left out.
- ratio: to torch's padded LSTM of the same directions, frames and threads, time first.
- where it goes: the operations with the largest shares of the processor's time, by torch's profiler.

``padded`` computes the padding too; ``packed`` goes through ``pack_padded_sequence``; ``ours`` is the layer of our
encoders, padded, batch first.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import commit, processor
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.profiler import ProfilerActivity, profile

from dstoolkit.models.masking import reversal
from dstoolkit.models.recurrent import Recurrent, RecurrentConfig

BATCH, SIZE = 16, 256
TORCH = {"lstm": nn.LSTM, "gru": nn.GRU}
Case = tuple[str, str, str, bool]  # whose (torch, ours), cell, form, both directions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs="+", default=[250, 500])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the table here too")
    arguments = parser.parse_args()
    print(f"{processor()}, torch {torch.__version__}, batch {BATCH}, size {SIZE}, median of {arguments.repeats}")
    rows = []
    for threads, frames in itertools.product(arguments.threads, arguments.frames):
        torch.set_num_threads(threads)
        rows += block(frames, threads, arguments.repeats)
    if arguments.json:
        about = {"commit": commit(), "machine": processor(), "torch": torch.__version__, "repeats": arguments.repeats}
        arguments.json.write_text(json.dumps({**about, "batch": BATCH, "size": SIZE, "rows": rows}, indent=1) + "\n")


def cases() -> list[Case]:
    forms = ["padded, time first", "padded, batch first", "packed, time first", "packed, batch first"]
    theirs = [("torch", cell, form) for cell, form in itertools.product(TORCH, forms)]
    ours = [("ours", cell, "padded, batch first") for cell in ("lstm", "gru", "rnn")]
    return [(*each, both) for both, each in itertools.product((False, True), theirs + ours)]


def block(frames: int, threads: int, repeats: int) -> list[dict[str, Any]]:
    """All cases in turn, as often as is asked, and the table of them."""
    steps = {case: step(case, frames) for case in cases()}
    times: dict[Case, list[float]] = {case: [] for case in steps}
    for _ in range(repeats + 1):
        for case, run in steps.items():
            start = time.perf_counter()
            run()
            times[case].append(1e3 * (time.perf_counter() - start))
    median = {case: statistics.median(each[1:]) for case, each in times.items()}
    print(f"\n{frames} frames, {threads} thread{'s' * (threads > 1)}")
    rows = []
    for case, run in steps.items():
        whose, cell, form, both = case
        row = {"whose": whose, "cell": cell, "form": form, "both": both, "frames": frames, "threads": threads}
        ratio = median[case] / median["torch", "lstm", "padded, time first", both]
        row |= {"ms": median[case], "best_ms": min(times[case][1:]), "ratio": ratio, "where": shares(run)}
        rows.append(row)
        print(line(row), flush=True)
    return rows


def step(case: Case, frames: int) -> Callable[[], None]:
    """What runs the case forwards and backwards once."""
    whose, cell, form, both = case
    torch.manual_seed(0)
    lengths = torch.linspace(frames, 0.7 * frames, BATCH).long()
    batch = torch.randn(BATCH, frames, SIZE).requires_grad_()
    if whose == "ours":
        config = RecurrentConfig(rnn=cell, size=SIZE, bidirectional=both)  # type: ignore[arg-type]
        layer, index = Recurrent(config, SIZE), reversal(lengths, frames)
        return lambda: layer(batch, index).sum().backward()
    first = form.endswith("batch first")
    peer = TORCH[cell](SIZE, SIZE, batch_first=first, bidirectional=both)
    given = batch if first else batch.detach().transpose(0, 1).contiguous().requires_grad_()
    return lambda: run_peer(peer, given, lengths if form.startswith("packed") else None)


def run_peer(layer: nn.Module, batch: Tensor, lengths: Tensor | None) -> None:
    if lengths is None:
        layer(batch)[0].sum().backward()
    else:
        layer(pack_padded_sequence(batch, lengths, batch_first=layer.batch_first))[0].data.sum().backward()


def shares(run: Callable[[], None]) -> dict[str, float]:
    """The three operations that take most of the processor's time, in percent."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        run()
    named = [each for each in found.key_averages() if not each.key.startswith("autograd::")]
    events = sorted(named, key=lambda each: -each.self_cpu_time_total)
    total = sum(each.self_cpu_time_total for each in events)
    return {each.key.removeprefix("aten::"): round(100 * each.self_cpu_time_total / total) for each in events[:3]}


def line(row: dict[str, Any]) -> str:
    where = ", ".join(f"{name} {share} %" for name, share in row["where"].items())
    name = f"{row['whose']} {row['cell']}, {'both' if row['both'] else 'one'}"
    return f"{name:17}{row['form']:22}{row['ms']:8.0f} ms{row['best_ms']:8.0f}{row['ratio']:7.2f} x  {where}"


if __name__ == "__main__":
    main()
