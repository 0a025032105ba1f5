"""Every CUDA kernel becomes machine code for each compute capability we promise, within the GPU's means."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent.parent


def missing() -> str | None:
    """Why kernels cannot be compiled here, or None."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        return "the simulator compiles nothing"
    if importlib.util.find_spec("numba_cuda") is None:
        return "numba-cuda is not installed"
    found = importlib.util.find_spec("cuda.bindings") and importlib.util.find_spec("nvidia")
    return None if found else "numba-cuda has no libNVVM: install numba-cuda[cu13]"


pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture(scope="module")
def ptx():
    specification = importlib.util.spec_from_file_location("ptx", ROOT / "tools/ptx.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules["ptx"] = module
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def compiled(ptx):
    """All kernels for float32 logits, for each compute capability."""
    launches = ptx.launches([torch.float32])
    assert launches
    return [ptx.compile_launch(launch, capability) for capability in ptx.CAPABILITIES for launch in launches]


def test_all_kernels_are_compiled(ptx, compiled):
    names = {each.launch.name for each in compiled}
    kernels = set()
    for path in (ROOT / "dstoolkit/ctc").glob("cuda_*.py"):
        kernels |= set(re.findall(r"^@kernel\(.*\)\ndef (\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert names == kernels
    assert {each.capability for each in compiled} == {(7, 5), (8, 0), (9, 0)}
    for each in compiled:
        assert ".target sm_{}{}".format(*each.capability) in each.ptx


def test_recursion_has_no_float64_and_no_logarithm_or_exponential(compiled):
    recursions = [each for each in compiled if each.launch.name.endswith("recursion")]
    assert len(recursions) == 6
    for each in recursions:
        assert each.double == 0
        assert not re.search(r"^\s+(ex2|lg2|sin|cos|rcp|div|sqrt)\.", each.ptx, re.MULTILINE)


def test_nothing_is_called_and_no_array_lies_in_local_memory(compiled):
    for each in compiled:
        assert not re.search(r"^\s*call", each.ptx, re.MULTILINE)
        assert not re.search(r"\.local\b", each.ptx)


def test_shared_memory_fits_every_gpu(compiled):
    assert max(each.shared for each in compiled) < 48 * 1024


def test_registers_fit_the_blocks(compiled):
    """65,536 registers a multiprocessor; more threads a block than they last for would not start."""
    threads = {"long_recursion": 1024, "best_paths": 1024, "recursion": 384}
    for each in compiled:
        if each.local is None:
            pytest.skip("no nvJitLink: install numba-cuda[cu13]")
        assert each.registers * threads.get(each.launch.name, 256) <= 65536
        # Long targets have 1,024 threads a block, 64 registers each. Before Hopper some that do not change spill.
        most = 64 if each.launch.name == "long_recursion" and each.capability < (9, 0) else 0
        assert each.local <= most, each.row()


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_logits_are_compiled_too(ptx, dtype):
    others = [each for each in ptx.launches([torch.float32, dtype]) if each.logits == str(dtype).removeprefix("torch.")]
    assert {each.name for each in others} >= {"rows", "gradient", "relative_rows"}
    for each in others:
        done = ptx.compile_launch(each, (7, 5))
        assert ".target sm_75" in done.ptx
        assert done.double > 0 or each.name == "gradient"


def test_script_prints_a_row_a_kernel(ptx, compiled):
    lines = list(ptx.table(iter(compiled)))
    assert len(lines) == len(compiled) + 2
    assert "| recursion      | float32  | 9.0 |" in "\n".join(lines)


def test_script_explains_itself():
    done = subprocess.run(
        [sys.executable, "tools/ptx.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--cc" in done.stdout
