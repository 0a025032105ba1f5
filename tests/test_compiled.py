"""Compiled code on disk: found again by a second process, not found by another version of the sources, dispensable."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import sys
from dstoolkit import compiled
compiled.sources = lambda folder: sys.argv[1]
from dstoolkit.ctc import exponential
import numpy
exponential.largest(numpy.ones(3))
print(sum(exponential.largest.stats.cache_hits.values()))
"""


def hits(folder, version: str) -> int:
    command = [sys.executable, "-c", PROGRAM, version]
    run = subprocess.run(command, env=os.environ | {"NUMBA_CACHE_DIR": str(folder)}, check=True, capture_output=True)
    return int(run.stdout)


def test_code_is_kept_for_the_same_sources_only(tmp_path):
    assert [hits(tmp_path, version) for version in ("one", "one", "two", "two")] == [0, 1, 0, 1]


def test_without_a_folder_to_write_to_code_is_compiled_at_each_start(monkeypatch):
    from dstoolkit import compiled

    real = compiled.njit

    def refuse(cache=False, **options):
        if cache:

            def no_folder(function):
                raise RuntimeError("cannot cache function: no locator available")

            return no_folder
        return real(**options)

    monkeypatch.setattr(compiled, "njit", refuse)
    assert compiled.compiled(nogil=True)(lambda x: x + 1)(2) == 3


MODULE = """
from typing import Any, NamedTuple
from dstoolkit.compiled import kernel

class NAME(NamedTuple):
    value: Any

@kernel
def double(pair):
    return NAME(pair.value * 2)
"""


def test_code_with_classes_that_are_gone_is_compiled_anew(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": f"{tmp_path}:{os.getcwd()}"}
    for name in ("Old", "New"):
        (tmp_path / "doubling.py").write_text(MODULE.replace("NAME", name))
        program = f"from doubling import {name}, double; print(double({name}(21)).value)"
        run = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True)
        assert run.stdout == b"42\n"
