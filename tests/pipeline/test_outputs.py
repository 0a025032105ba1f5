"""Kept outputs are the network's to the last bit, are computed once, and are refused where they are of another."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from dstoolkit.data.archive import Archive
from dstoolkit.data.archive_writer import ArchiveWriter
from dstoolkit.errors import ArchiveError, DataError, DstoolkitError, StampError
from dstoolkit.pipeline import outputs
from dstoolkit.pipeline.outputs import Computed, Saved, Source
from tests import toy


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy recogniser in ``exp``, another in ``other``; the first utterance of ``dev`` is too short for a frame."""
    from dstoolkit.pipeline.experiment import load
    from dstoolkit.training import setup

    folder = toy.make(tmp_path_factory.mktemp("toy"))
    sources = setup.Sources(folder / "train", folder / "dev", folder / "tokenizer")
    for name, seed in (("exp", 0), ("other", 1)):
        settings = ["train.epochs=1", f"seed={seed}", "encoder.border=valid"]
        setup.train(folder / name, load(folder / "train.yaml", settings), sources, "cpu")
    return folder


@pytest.fixture
def source(trained: Path, tmp_path: Path) -> Source:
    return Source(trained / "exp", Path(shutil.copytree(trained / "dev", tmp_path / "dev")))


def shorten(source: Source) -> str:
    """Cut an utterance down to two frames, of which a convolution over five makes none; its id."""
    found = Archive(source.features)
    rows = [(each, found.frames(at)) for at, each in enumerate(found.utterance_ids)]
    source.features.unlink()
    described = {"num_mel_bins": toy.DIM}
    with ArchiveWriter(
        source.features, extractor="fbank", config=described, sample_rate=8000, frame_shift=toy.SHIFT, dim=toy.DIM
    ) as archive:
        for at, (each, frames) in enumerate(rows):
            archive.add(each, frames[:2] if at == 1 else frames, "s", len(frames) * toy.SHIFT)
    return rows[1][0]


def assert_same(one: outputs.Outputs, other: outputs.Outputs) -> None:
    for batch in one.batches():
        rows, lengths = one.log_probs(batch)
        others, other_lengths = other.log_probs(batch)
        assert lengths.tolist() == other_lengths.tolist()
        for row, each, length in zip(rows, others, lengths.tolist(), strict=True):
            torch.testing.assert_close(row[:length], each[:length], rtol=0, atol=0)


def test_weights_may_be_of_another_file(trained: Path, source: Source) -> None:
    other = trained / "other"
    swapped = Source(source.exp, source.data, weights=str(other / "best.pt"))
    assert_same(Computed(swapped), Computed(Source(other, source.data)))
    assert swapped.digests() != source.digests()
    with pytest.raises(DataError, match=r"absent\.pt: no such file"):
        Source(source.exp, source.data, weights="absent.pt").check()


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_read_is_what_was_computed(source: Source, jobs: int) -> None:
    short = shorten(source)
    path, done = source.data / "outputs.h5", []
    assert outputs.keep(source, path, jobs=jobs, progress=lambda batch: done.extend(batch.tolist()))
    assert sorted(done) == list(range(6))
    computed, saved = Computed(source), Saved(source, path)
    assert_same(computed, saved)
    assert saved.frame_shift == computed.frame_shift == pytest.approx(2 * toy.SHIFT)
    assert short not in Archive(path).utterance_ids
    assert saved.lengths[1] == 0
    expected = computed.recogniser.model.encoder.output_lengths(torch.from_numpy(computed.archive.lengths))
    assert saved.lengths.tolist() == expected.tolist()


def test_batches_are_within_their_size(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "BATCH_FRAMES", 100)
    computed = Computed(source)
    lengths = computed.archive.lengths
    assert sorted(at for batch in computed.batches() for at in batch.tolist()) == list(range(6))
    assert all(len(batch) * lengths[batch].max() <= 100 for batch in computed.batches() if len(batch) > 1)


def test_computed_once_and_anew_for_another_model(
    trained: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source.data / "outputs.h5"
    outputs.keep(source, path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(outputs, "Computed", None)  # a network would be built with it
        assert not outputs.keep(source, path)
        assert not outputs.keep(source, path, force=True)
    other = Source(trained / "other", source.data)
    with pytest.raises(StampError, match=r"outputs\.h5: was made differently: input 'best\.pt' has changed"):
        outputs.keep(other, path)
    assert path.read_bytes() == before
    assert outputs.keep(other, path, force=True)
    assert_same(Computed(other), Saved(other, path))


def test_something_else_is_not_overwritten(source: Source) -> None:
    (source.data / "features.h5.stamp.json").write_text('{"command": "features", "config": {}, "inputs": {}}')
    with pytest.raises(StampError, match="was made differently"):
        outputs.keep(source, source.features)
    assert Archive(source.features).dim == toy.DIM


def test_of_another_vocabulary_or_no_outputs_at_all(source: Source, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="holds 'fbank' features; expected a network's saved outputs"):
        Saved(source, source.features)
    path = tmp_path / "outputs.h5"
    with ArchiveWriter(
        path, extractor="log_probs", config={"tokens": ["<blank>", "a"]}, sample_rate=8000, frame_shift=0.02, dim=2
    ) as archive:
        archive.add("u000", np.zeros((9, 2), np.float32), "s", 0.09)
    with pytest.raises(ArchiveError, match=r"outputs for 2 tokens; '.*exp' has 29 others"):
        Saved(source, path)


def test_altered_outputs_are_refused(source: Source) -> None:
    path = source.data / "outputs.h5"
    outputs.keep(source, path)
    with h5py.File(path, "r+") as file:
        file["frames"][0, 0] += 0.5
    saved = Saved(source, path)
    with pytest.raises(ArchiveError, match="altered since it was written; remove it, and it is computed anew"):
        saved.log_probs(np.arange(6))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArchiveError, match="remove it, and it is computed anew"):
        Saved(source, path)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_fault_leaves_nothing(source: Source, monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    def interrupted(batch: object) -> None:
        raise KeyboardInterrupt

    before = {each.name for each in source.data.iterdir()}
    with pytest.raises(KeyboardInterrupt):
        outputs.keep(source, source.data / "outputs.h5", jobs=jobs, progress=interrupted)
    assert {each.name for each in source.data.iterdir()} == before


def test_a_network_of_no_numbers(source: Source) -> None:
    broken = Source(toy.another(source.exp, source.data / "exp", factor=float("nan")), source.data)
    with pytest.raises(DataError, match=r"best\.pt: its outputs for utterance 'u00\d' are no numbers; train again"):
        outputs.keep(broken, source.data / "outputs.h5")


def test_all_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DstoolkitError) as raised:
        Source(tmp_path / "exp", tmp_path / "data").check()
    assert str(raised.value) == (
        f"{tmp_path}/exp/best.pt: no such file; run 'dstoolkit train' first\n"
        f"{tmp_path}/data/features.h5: no such file; run 'dstoolkit features extract' first"
    )
