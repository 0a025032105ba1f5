"""Spliced utterances are made of the speaker's own words, cut between them, and their text says what they hold."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from dstoolkit.data.archive import Archive, ArchiveWriter
from dstoolkit.errors import ConfigError, DataError
from dstoolkit.features.augment import Augment
from dstoolkit.features.cmvn import Cmvn
from dstoolkit.features.fbank import Fbank, FbankConfig
from dstoolkit.interfaces import Word
from dstoolkit.pipeline import heard
from dstoolkit.pipeline.splicing import Splicer, cut
from tests import toy

DIM, SHIFT, RATE = 12, 0.01, 8000
WORD, PAUSE = 20, 6  # frames
NUMBER = {"one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0}  # what a word's frames hold
SAID = {"a1": ("x", "one two"), "a2": ("x", "three"), "b1": ("y", "four five four"), "b2": ("y", "")}


def make(folder: Path, segments: bool = False) -> Path:
    """An archive whose words are constant frames with silence between, and their CTM, whose times are a bit off."""
    lines, config = [], {"num_mel_bins": DIM}
    with ArchiveWriter(
        folder / "features.h5", extractor="fbank", config=config, sample_rate=RATE, frame_shift=SHIFT, dim=DIM
    ) as archive:
        for utterance, (speaker, text) in SAID.items():
            rows = [np.zeros((30, DIM))]
            for word in text.split():
                start = sum(map(len, rows))
                recording, offset = ("tape", 10.0 * list(SAID).index(utterance)) if segments else (utterance, 0.0)
                lines.append((recording, offset + start * SHIFT + 0.03, (WORD - 8) * SHIFT, word))
                rows += [np.full((WORD, DIM), NUMBER[word]), np.zeros((PAUSE, DIM))]
            frames = np.concatenate([*rows, np.zeros((30, DIM))]).astype(np.float32)
            archive.add(utterance, frames, speaker, len(frames) * SHIFT)
    (folder / "ctm").write_text(
        "".join(f"{name} 1 {at:.3f} {length:.3f} {word} 0.9\n" for name, at, length, word in lines)
    )
    if segments:
        places = (f"{each} tape {10.0 * at} {10.0 * at + 5}\n" for at, each in enumerate(SAID))
        (folder / "segments").write_text("".join(places))
    return folder


def splicer(folder: Path) -> Splicer:
    return Splicer(Archive(folder / "features.h5"), folder, folder / "ctm", Fbank(FbankConfig(num_mel_bins=DIM), RATE))


def spoken(frames: np.ndarray) -> list[str]:
    """The words that frames hold."""
    values = frames[:, 0]
    starts = np.flatnonzero((values[1:] != values[:-1]) & (values[1:] != 0)) + 1
    names = {number: word for word, number in NUMBER.items()}
    return [names[float(values[at])] for at in starts]


@pytest.mark.parametrize("segments", [False, True])
def test_the_text_says_what_the_frames_hold_and_the_voice_stays(tmp_path, segments):
    found = splicer(make(tmp_path, segments))
    texts = set()
    for index, (speaker, _) in enumerate(list(SAID.values())[:3]):
        mine = {word for other, text in SAID.values() if other == speaker for word in text.split()}
        for seed in range(40):
            drawn = found.draw(np.asarray([index]), 1.0, np.random.default_rng(seed))
            frames, text = found.splice(index, drawn.of(0))
            assert spoken(frames) == text.split()
            assert drawn.lengths.tolist() == [len(frames)]
            assert set(text.split()) <= mine
            assert 1 <= len(text.split()) <= len(SAID[found.archive.utterance_ids[index]][1].split())
            assert not frames[:5].any()
            texts.add(text)
    assert {"one two", "two one", "three three", "three one", "one"} <= texts


def test_an_utterance_without_known_words_stays_as_it_is(tmp_path):
    found = splicer(make(tmp_path))
    drawn = found.draw(np.arange(4), 1.0, np.random.default_rng(0))
    assert [bool(drawn.of(row)) for row in range(4)] == [True, True, True, False]
    assert drawn.lengths[3] == found.archive.lengths[3]


def test_words_are_parted_at_the_quietest_frame_between_them_and_blips_are_no_words():
    level = np.ones(100)
    level[47], level[70] = -1, -2  # the latter within a word
    words = [Word("a", 0.30, 0.40, 1), Word("b", 0.60, 0.80, 1), Word("c", 0.81, 0.82, 1)]
    found = cut(0, words, level, SHIFT)
    assert [(each.text, each.first, each.last) for each in found] == [("a", 5, 47), ("b", 47, 80), ("c", 80, 100)]
    assert [each.text for each in cut(0, words[1:], level[:84], SHIFT)] == ["b"]


def test_a_source_splices_as_often_as_it_is_told_and_the_same_for_the_same_seed(tmp_path):
    folder = make(tmp_path)
    archive = Archive(folder / "features.h5")
    still = {"frequency_masks": 0, "time_masks_per_second": 0, "stretch": 0}
    augment = Augment(splice=0.4, alignments=str(folder / "ctm"), **still)
    assert augment.inputs() == {"alignments": folder / "ctm"}
    source = pickle.loads(
        pickle.dumps(heard.source(archive, folder, Cmvn("none", archive.mean, archive.variance), augment))
    )
    drawn = [source.frames(0, np.random.default_rng(seed)) for seed in range(300)]
    share = np.mean([text is not None for _, text in drawn])
    assert 0.3 < share < 0.5
    for frames, text in drawn:
        assert spoken(frames) == (text or "one two").split()
    again = source.frames(0, np.random.default_rng(5))
    assert np.array_equal(again[0], drawn[5][0])
    assert again[1] == drawn[5][1]


def test_how_long_spliced_utterances_are_is_known_before_any_is_heard(tmp_path):
    folder = make(tmp_path)
    archive = Archive(folder / "features.h5")
    augment = Augment(splice=0.7, alignments=str(folder / "ctm"), tempo=(0.8, 1.3))
    source = heard.source(archive, folder, Cmvn("none", archive.mean, archive.variance), augment)
    assert not source.even
    lengths = set()
    for epoch in range(30):
        drawn = source.drawn((1, epoch))
        for at in range(len(archive)):
            (frames,), text = source.views(at, np.random.default_rng([1, epoch, at]), drawn, at, 1)
            assert len(frames) == drawn.lengths[at]
            if text is not None:
                lengths.add((at, text, len(frames)))
    assert len(lengths) > 40


def test_what_is_missing_or_of_another_archive_is_named(tmp_path):
    folder = make(tmp_path)
    archive = Archive(folder / "features.h5")
    with pytest.raises(ConfigError, match=r"augment\.splice: no alignments"):
        heard.source(archive, folder, Cmvn("none", archive.mean, archive.variance), Augment(splice=0.5))
    (folder / "ctm").write_text("elsewhere 1 0.1 0.2 one 1\n")
    with pytest.raises(ConfigError, match="no word of"):
        splicer(folder)
    (folder / "ctm").unlink()
    with pytest.raises(DataError, match=r"no such file; augment\.alignments names it; make it with"):
        splicer(folder)


def test_a_training_learns_from_spliced_words(tmp_path, dstoolkit):
    """First a recogniser, then its alignments, then another that hears words in new orders."""
    corpus = toy.make(tmp_path / "toy")
    first = tmp_path / "first"
    dstoolkit(*toy.arguments(corpus, first, "--set", "train.epochs=12"))
    dstoolkit("align", first, corpus / "train", "--out", tmp_path / "aligned", "--device", "cpu")
    options = ["--set", "augment.splice=0.6", "--set", f"augment.alignments={tmp_path / 'aligned/ctm'}"]
    dstoolkit(*toy.arguments(corpus, tmp_path / "second", *options, "--set", "train.epochs=20"))
    import json

    lines = [json.loads(line) for line in (tmp_path / "second/metrics.jsonl").read_text().splitlines()]
    assert min(each["dev_wer"] for each in lines) < 20
    (tmp_path / "aligned/ctm").write_text((tmp_path / "aligned/ctm").read_text().replace(" 1 ", " 2 "))
    changed = dstoolkit(*toy.arguments(corpus, tmp_path / "second", *options, "--set", "train.epochs=20"), status=2)
    assert "augment/alignments" in changed.output
