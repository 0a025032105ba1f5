"""Which implementation of the loss runs: our Numba kernels or torch's own."""

from __future__ import annotations

import functools
import warnings
from typing import Literal

import torch

from dstoolkit.errors import ConfigError

Backend = Literal["auto", "numba", "torch"]


def chosen(backend: Backend, device: torch.device, labels: int = 0) -> Literal["numba", "torch"]:
    """``backend``, or for ``auto`` Numba's where it can run; where it cannot on a GPU, that is said once.

    ``labels`` is the width of the padded targets. Raises ConfigError for a backend that is named and cannot run.
    """
    if backend == "torch":
        return "torch"
    if backend not in ("auto", "numba"):
        raise ConfigError("loss: backend", f"'{backend}'", "expected auto, numba or torch")
    missing = why_not(device.type, labels)
    if missing is None:
        return "numba"
    if backend == "numba":
        raise ConfigError("loss: backend: numba", missing, "", "mend that, or choose 'auto' or 'torch'")
    if device.type == "cuda":
        say_once(f"the Numba CTC kernels cannot run on the GPU: {missing}; using torch's CTC loss")
    return "torch"


def why_not(device: str, labels: int) -> str | None:
    """Why the Numba kernels cannot run on this type of device for targets of that length; None where they can."""
    if device == "cpu":
        return None
    if device == "cuda":
        from dstoolkit.ctc import cuda

        if labels > cuda.MOST_LABELS:
            return f"targets of {labels} labels are longer than {cuda.MOST_LABELS}"
        return missing_on_gpus()
    return f"there are none for the device '{device}'"


@functools.cache
def missing_on_gpus() -> str | None:
    """``cuda.available``, asked once: it looks at packages and drivers."""
    from dstoolkit.ctc import cuda

    return cuda.available()


@functools.cache
def say_once(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=4)
