"""The CUDA tests in Numba's simulator, and the host's side that needs no GPU."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dstoolkit.ctc import cuda, cuda_launch

HERE = Path(__file__).resolve().parent


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed")
def test_kernels_in_the_simulator():
    """The simulator must be asked for before Numba is imported, hence a process of its own."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            str(HERE / "test_cuda.py"),
        ],
        cwd=HERE.parent.parent,
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


def test_import_needs_neither_numba_cuda_nor_numba():
    code = "import sys, dstoolkit.ctc.cuda; assert not {'numba', 'numba_cuda'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_missing_is_said(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cuda.available() == "numba-cuda is not installed; install dstoolkit[cuda12] or dstoolkit[cuda13]"


def test_a_gpu_that_is_too_old_or_not_there_is_said(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert cuda.available() == "torch finds no CUDA device"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (6, 1))
    assert cuda.available() == "the GPU's compute capability is 6.1; 7.5 is needed"


class Event:
    """A CUDA event as far as faults are concerned."""

    def __init__(self, done):
        self.done = done

    def query(self):
        return self.done

    def synchronize(self):
        self.done = True


def test_faults_are_raised_once_and_only_when_the_gpu_has_done_its_work(monkeypatch):
    monkeypatch.setattr(cuda_launch, "_pending", type(cuda_launch._pending)())
    fine, faulty = torch.zeros(2, 2, dtype=torch.long), torch.tensor([[0, 0], [2, 0]])
    late = Event(False)
    cuda_launch._pending.extend([(Event(True), fine, (5, 4, 2, 0)), (late, faulty, (5, 4, 2, 0))])
    cuda.raise_pending()
    assert len(cuda_launch._pending) == 1
    with pytest.raises(ValueError, match="utterance 1: label 0 is the blank; expected labels below 4, not the blank 0"):
        cuda.raise_pending(wait=True)
    assert late.done
    cuda.raise_pending()
