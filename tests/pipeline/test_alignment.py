"""Word times against the truth of a toy corpus, and utterances whose text has no place in them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dstoolkit.data.archive import Archive
from dstoolkit.data.archive_writer import ArchiveWriter
from dstoolkit.errors import DstoolkitError
from dstoolkit.pipeline import alignment
from dstoolkit.pipeline.alignment import Aligned, Aligner, Unaligned
from dstoolkit.pipeline.experiment import load
from dstoolkit.pipeline.recognition import Recogniser
from dstoolkit.training import setup
from tests import toy

TEXTS = {"a": "yes lo", "b": "no", "c": "two ken one", "d": "one no two lo yes"}
OUTPUT_SHIFT = 2 * toy.SHIFT  # the toy encoder's stride


@pytest.fixture(scope="module")
def recogniser(tmp_path_factory):
    folder = toy.make(tmp_path_factory.mktemp("toy"), train=48)
    sources = setup.Sources(folder / "train", folder / "dev", folder / "tokenizer")
    setup.train(folder / "exp", load(folder / "train.yaml", ["train.epochs=12"]), sources, "cpu")
    return Recogniser.load(folder / "exp")


def write(path, frames, durations=None):
    described = {"num_mel_bins": toy.DIM}
    with ArchiveWriter(
        path, extractor="fbank", config=described, sample_rate=8000, frame_shift=toy.SHIFT, dim=toy.DIM
    ) as writer:
        for name, rows in frames.items():
            writer.add(name, rows, "s", (durations or {}).get(name, len(rows) * toy.SHIFT))
    return Archive(path)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """An archive, and the begin and end in seconds of each word in it; silence around, none between."""
    rng = np.random.default_rng(11)
    frames, truth = {}, {}
    for name, text in TEXTS.items():
        letters = [toy.frames_of(letter, rng) for letter in text]
        edges = np.cumsum([0, *map(len, letters)]) * toy.SHIFT
        frames[name] = np.concatenate(letters)
        breaks = [-1, *(at for at, letter in enumerate(text) if letter == " "), len(text)]
        truth[name] = [(edges[a + 1], edges[b]) for a, b in itertools.pairwise(breaks)]
    return write(tmp_path_factory.mktemp("spoken") / "features.h5", frames), truth


def test_words_are_where_they_were_put(recogniser, spoken):
    archive, truth = spoken
    errors = []
    for found in Aligner(recogniser, archive, TEXTS).align(list(TEXTS)):
        assert isinstance(found, Aligned)
        assert [each.text for each in found.words] == TEXTS[found.utterance].split()
        errors += [
            time - true
            for word, span in zip(found.words, truth[found.utterance], strict=True)
            for time, true in zip((word.start, word.end), span, strict=True)
        ]
    assert np.abs(errors).mean() < OUTPUT_SHIFT
    assert np.abs(errors).max() < 0.06  # a letter lasts 0.04 to 0.06


def test_tokens_make_up_the_words(recogniser, spoken):
    archive, _ = spoken
    found = next(Aligner(recogniser, archive, TEXTS).align(["d"]))
    assert "".join(" " if each.text == "<space>" else each.text for each in found.tokens) == TEXTS["d"]
    assert all(first.end <= second.start for first, second in itertools.pairwise(found.tokens))
    starts, ends = {each.start for each in found.tokens}, {each.end for each in found.tokens}
    assert all(word.start in starts and word.end in ends for word in found.words)
    assert all(word.confidence in {each.confidence for each in found.tokens} for word in found.words)
    assert found.duration == pytest.approx(archive.durations[3], abs=1e-6)
    assert found.score < 0


def test_the_wrong_text_has_a_low_confidence(recogniser, spoken):
    archive, _ = spoken
    (right,) = Aligner(recogniser, archive, TEXTS).align(["c"])
    (wrong,) = Aligner(recogniser, archive, TEXTS | {"c": "two yes one"}).align(["c"])
    assert min(each.confidence for each in right.words) > 0.5
    assert [each.confidence < 0.5 for each in wrong.words] == [False, True, False]
    assert wrong.score < right.score


def test_results_do_not_depend_on_batches(recogniser, spoken, monkeypatch):
    archive, _ = spoken
    aligner = Aligner(recogniser, archive, TEXTS)
    together = list(aligner.align(["d", "a", "c", "b"]))
    monkeypatch.setattr(alignment, "AHEAD", 2)
    monkeypatch.setattr(alignment, "BATCH_FRAMES", 1)
    alone = list(aligner.align(["d", "a", "c", "b"]))
    assert [each.utterance for each in together] == ["d", "a", "c", "b"]
    for one, other in zip(together, alone, strict=True):
        assert [(each.text, each.start, each.end) for each in one.words] == [
            (each.text, each.start, each.end) for each in other.words
        ]
        assert one.score == pytest.approx(other.score, abs=1e-3)


def test_what_cannot_be_aligned_is_named(recogniser, spoken):
    archive, _ = spoken
    texts = {"a": "yes ño", "b": "no one two ken", "c": " ", "d": TEXTS["d"]}
    found = {each.utterance: each for each in Aligner(recogniser, archive, texts).align(list("abcd"))}
    assert found["a"] == Unaligned("a", "no token for 'ñ' in 'yes ño'")
    assert "output frames for 14 tokens; expected 14 or more" in found["b"].why
    assert found["c"] == Unaligned("c", "an empty text")
    assert isinstance(found["d"], Aligned)
    (missing,) = Aligner(recogniser, archive, {}).align(["a"])
    assert missing == Unaligned("a", "no text")


def test_times_end_with_the_audio(recogniser, tmp_path):
    frames = toy.frames_of("no", np.random.default_rng(3))
    short = write(tmp_path / "features.h5", {"u": frames}, {"u": 0.045})
    (found,) = Aligner(recogniser, short, {"u": "no"}).align(["u"])
    times = [each for word in (*found.words, *found.tokens) for each in (word.start, word.end)]
    assert max(times) == found.duration == 0.045


def test_features_of_another_kind_are_refused(recogniser, tmp_path):
    with ArchiveWriter(
        tmp_path / "x.h5", extractor="mfcc", config={}, sample_rate=8000, frame_shift=toy.SHIFT, dim=toy.DIM
    ) as writer:
        writer.add("u", np.zeros((9, toy.DIM), np.float32), "s", 0.09)
    with pytest.raises(DstoolkitError, match="extractor is 'mfcc'; the model expects 'fbank'"):
        Aligner(recogniser, Archive(tmp_path / "x.h5"), {})
