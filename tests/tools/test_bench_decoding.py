"""The benchmark of decoders: its measure of texts against brute force, and a run of ours alone."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dstoolkit.decoding.reference import all_texts, log_add
from dstoolkit.text.characters import KUR, Characters

BENCH = Path(__file__).resolve().parent.parent.parent / "tools" / "bench"
TOKENIZER = Characters("ab ")


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCH / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where its dataclasses look for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def oracle() -> ModuleType:
    return load("decoding_oracle")


@pytest.fixture(scope="module")
def peers() -> ModuleType:
    return load("decoding_peers")


@pytest.fixture(params=range(3))
def log_probs(request: pytest.FixtureRequest) -> np.ndarray:
    logits = np.random.default_rng(request.param).standard_normal((5, 4))
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def test_token_totals_equal_the_sum_over_all_paths(oracle: ModuleType, log_probs: np.ndarray) -> None:
    for text, total in all_texts(log_probs.tolist()).items():
        assert oracle.of_tokens(log_probs, list(text)) == pytest.approx(total, abs=1e-9)


def test_word_totals_equal_the_sum_over_all_spacings(oracle: ModuleType, log_probs: np.ndarray) -> None:
    spacings: dict[tuple[str, ...], list[float]] = {}
    for text, total in all_texts(log_probs.tolist()).items():
        spacings.setdefault(tuple(TOKENIZER.decode(text).split()), []).append(total)
    for words, totals in spacings.items():
        assert oracle.of_words(log_probs, list(words), TOKENIZER) == pytest.approx(log_add(*totals), abs=1e-9)


def test_words_are_read_from_a_model(peers: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "lm.arpa"
    unigrams = "-1\t<unk>\n-99\t<s>\t-0.3\n-1\t</s>\n-1\tyes\t-0.2\n-1\tno\n"
    path.write_text(f"\\data\\\nngram 1=5\nngram 2=1\n\n\\1-grams:\n{unigrams}\n\\2-grams:\n-1 yes no\n\n\\end\\\n")
    assert peers.arpa_words(path) == ["yes", "no"]


@pytest.mark.parametrize(("path", "text"), [([3, 0, 1, 1, 3], [1]), ([3, 1, 0, 1, 3, 3], [1, 1, 3]), ([3, 0, 3], [])])
def test_flashlights_paths_become_texts(peers: ModuleType, path: list[int], text: list[int]) -> None:
    """Its paths have a space too many at either end."""
    assert peers.collapsed(path) == text


def test_ours_alone_finds_the_best_text(tmp_path: Path) -> None:
    """With a beam as wide as there are texts before the last frame: the likeliest of all."""
    written = tmp_path / "found.json"
    size = ["--frames", "3", "--utterances", "1", "--beam", "1000", "--repeats", "1", "--pruning", "full"]
    command = [sys.executable, BENCH / "decoding.py", "--peers", "", *size, "--json", written]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    logits = np.random.default_rng(0).standard_normal((1, 3, 1 + len(KUR)))[0]
    totals = all_texts((logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).tolist())
    (row,) = json.loads(written.read_text())["noise"]
    assert row["decoder"] == "dstoolkit"
    assert row["tokens"] == pytest.approx(max(totals.values()), abs=1e-5)
