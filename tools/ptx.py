"""Compiles every CUDA kernel of the CTC loss to PTX and machine code, and says what of the GPU each needs.

    python tools/ptx.py [--cc 7.5 8.0 9.0] [--out DIR]

No GPU is needed: the wheels of ``numba-cuda[cu13]`` bring libNVVM and nvJitLink. Kernels and the types of their
arguments are those that the loss and the alignment launch. Columns: the kernel, the logits' type, the compute
capability, registers a thread, bytes of local memory a thread (what did not fit its registers), bytes of shared memory
a block, and float64 instructions in the PTX. Without nvJitLink the registers are the PTX's virtual ones, a number in
brackets. ``--out`` keeps the PTX.
"""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch

CAPABILITIES = ((7, 5), (8, 0), (9, 0))
DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


@dataclass(frozen=True)
class Launch:
    """A kernel as the host's code launches it for one type of logits."""

    kernel: Any
    logits: str
    arguments: tuple[Any, ...]  # Numba's types

    @property
    def name(self) -> str:
        return str(self.kernel.py_func.__name__)


@dataclass(frozen=True)
class Compiled:
    """One kernel for one type of logits and one compute capability."""

    launch: Launch
    capability: tuple[int, int]
    ptx: str
    registers: int
    local: int | None  # bytes; None where only the PTX is known
    shared: int  # bytes

    @property
    def double(self) -> int:
        return len(re.findall(r"^\s+(?:@\S+ )?[a-z][\w.]*\.f64", self.ptx, re.MULTILINE))

    def row(self) -> tuple[str, ...]:
        registers = str(self.registers) if self.local is not None else f"({self.registers})"
        local = "?" if self.local is None else str(self.local)
        capability = ".".join(map(str, self.capability))
        return self.launch.name, self.launch.logits, capability, registers, local, str(self.shared), str(self.double)


def launches(dtypes: Sequence[torch.dtype] = DTYPES) -> list[Launch]:
    """Every kernel with each type of logits, found by calling the loss and the alignment, which launch into a list."""
    found: dict[tuple[str, Any], Launch] = {}
    for dtype in dtypes:
        for labels in (3, 600):  # a short target and a long one
            for kernel, arguments in _recorded(dtype, labels):
                launch = Launch(kernel, str(dtype).removeprefix("torch."), arguments)
                found.setdefault((launch.name, arguments), launch)
    return list(found.values())


def _recorded(dtype: torch.dtype, labels: int) -> list[tuple[Any, tuple[Any, ...]]]:
    import numba

    from dstoolkit.ctc import cuda, cuda_launch

    record: list[tuple[Any, tuple[Any, ...]]] = []

    def note(self: Any, kernel: Any, grid: Any, block: Any, *arguments: Any) -> None:
        record.append((kernel, tuple(numba.typeof(self._argument(each)) for each in arguments)))

    batch = (
        torch.zeros(2, 4, 5, dtype=dtype),
        torch.tensor([4, 4]),
        torch.ones(2, labels, dtype=torch.long),
        torch.tensor([1, 1]),
        0,
    )
    with mock.patch.object(cuda_launch.Launcher, "__call__", note), mock.patch.object(cuda, "remember"):
        losses, occupancy, rows = cuda.forward(*batch, 0.1, 0.1, True)
        cuda.backward(torch.ones_like(losses), *batch, 0.1, 0.1, losses, occupancy, rows)
        cuda.viterbi(*batch)
    return record


def compile_launch(launch: Launch, capability: tuple[int, int]) -> Compiled:
    import numba.cuda.dispatcher
    from numba import cuda, types

    here = SimpleNamespace(compute_capability=capability)
    # Functions that kernels call are compiled for the current device, of which there may be none.
    with mock.patch.object(numba.cuda.dispatcher, "get_current_device", return_value=here), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ptx, _ = cuda.compile_ptx(launch.kernel.py_func, types.void(*launch.arguments), cc=capability)
    limit = launch.kernel.targetoptions.get("max_registers")
    log = assembled(ptx, capability, limit)
    shared = sum(int(size) for size in re.findall(r"\.shared .*\[(\d+)\];", ptx))
    if log is None:
        registers = sum(int(count) for count in re.findall(r"\.reg .*<(\d+)>", ptx))
        return Compiled(launch, capability, ptx, registers, None, shared)
    local = int(re.findall(r"(\d+) bytes stack frame", log)[0])
    return Compiled(launch, capability, ptx, int(re.findall(r"Used (\d+) registers", log)[0]), local, shared)


def assembled(ptx: str, capability: tuple[int, int], limit: int | None) -> str | None:
    """What nvJitLink says while it makes machine code; None where it is not installed."""
    try:
        from cuda.bindings import nvjitlink
    except ImportError:
        return None
    options = ["-arch=sm_{}{}".format(*capability), "-verbose", "-Xptxas=-v"]
    options += [f"-maxrregcount={limit}"] if limit else []
    code = ptx.encode()
    handle = nvjitlink.create(len(options), options)
    try:
        nvjitlink.add_data(handle, nvjitlink.InputType.PTX, code, len(code), "kernel")
        nvjitlink.complete(handle)
        log = bytearray(nvjitlink.get_info_log_size(handle))
        nvjitlink.get_info_log(handle, log)
    finally:
        nvjitlink.destroy(handle)
    return log.decode()


def table(compiled: Iterator[Compiled]) -> Iterator[str]:
    """Markdown, a line at a time."""
    form = "| {:<14} | {:<8} | {:>3} | {:>9} | {:>5} | {:>6} | {:>7} |"
    yield form.format("kernel", "logits", "cc", "registers", "local", "shared", "float64")
    yield "|" + "|".join("-" * width for width in (16, 10, 5, 11, 7, 8, 9)) + "|"
    for each in compiled:
        yield form.format(*each.row())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cc", nargs="+", default=[".".join(map(str, each)) for each in CAPABILITIES])
    parser.add_argument("--out", type=Path, help="folder for the PTX")
    options = parser.parse_args()

    def each() -> Iterator[Compiled]:
        for capability in options.cc:
            major, minor = map(int, capability.split("."))
            for launch in launches():
                done = compile_launch(launch, (major, minor))
                if options.out:
                    options.out.mkdir(parents=True, exist_ok=True)
                    name = f"{launch.name}-{launch.logits}-sm_{major}{minor}.ptx"
                    (options.out / name).write_text(done.ptx, encoding="utf-8")
                yield done

    for line in table(each()):
        print(line, flush=True)


if __name__ == "__main__":
    main()
