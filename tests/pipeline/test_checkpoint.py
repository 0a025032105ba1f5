"""Checkpoints are whole or absent, and load nothing but tensors and plain values."""

from __future__ import annotations

import pytest
import torch

from dstoolkit.errors import DataError
from dstoolkit.pipeline import checkpoint


def test_round_trip(tmp_path):
    state = {"weights": {"a": torch.arange(3.0)}, "epoch": 4, "best": {"wer": float("inf")}, "words": ["x"]}
    checkpoint.save(tmp_path / "last.pt", state)
    found = checkpoint.load(tmp_path / "last.pt")
    assert torch.equal(found["weights"]["a"], state["weights"]["a"])
    assert (found["epoch"], found["best"], found["words"]) == (4, {"wer": float("inf")}, ["x"])
    assert [each.name for each in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.parametrize("raised", [RuntimeError("unexpected pos 64 vs 0"), KeyboardInterrupt()])
def test_a_failed_write_keeps_the_last_good_one(tmp_path, monkeypatch, raised):
    checkpoint.save(tmp_path / "last.pt", {"epoch": 1})

    def torn(state, path):
        path.write_bytes(b"half")
        raise raised

    monkeypatch.setattr(torch, "save", torn)
    with pytest.raises(OSError if isinstance(raised, RuntimeError) else KeyboardInterrupt):
        checkpoint.save(tmp_path / "last.pt", {"epoch": 2})
    assert checkpoint.load(tmp_path / "last.pt")["epoch"] == 1
    assert [each.name for each in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file or directory; expected a checkpoint"),
        (b"", "damaged, or no checkpoint"),
        (b"not a checkpoint at all", "damaged, or no checkpoint"),
    ],
)
def test_bad_files_are_named(tmp_path, content, said):
    path = tmp_path / "best.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=said) as raised:
        checkpoint.load(path)
    assert str(raised.value).startswith(str(path))


def test_another_format_is_refused(tmp_path):
    torch.save({"format": 99}, tmp_path / "best.pt")
    with pytest.raises(DataError, match="another format; expected format 1; train again"):
        checkpoint.load(tmp_path / "best.pt")
