"""What a training hears: the archive's frames, or those of perturbed audio, the same in any process and order."""

from __future__ import annotations

import dataclasses
import logging
import pickle

import numpy as np
import pytest
import soundfile

from dstoolkit.config import Choice
from dstoolkit.data import audio, datadir
from dstoolkit.data.archive import Archive
from dstoolkit.errors import ConfigError, DataError, Faults
from dstoolkit.features import perturb
from dstoolkit.features.augment import Augment
from dstoolkit.features.cmvn import Cmvn
from dstoolkit.features.fbank import Fbank, FbankConfig
from dstoolkit.features.perturb import Perturbation
from dstoolkit.interfaces import Utterance
from dstoolkit.pipeline import extraction, heard
from dstoolkit.pipeline.workers import ordered_map

RATE = 8000
OFF = Augment(frequency_masks=0, time_masks_per_second=0.0, stretch=0.0)
CMVN = Cmvn("none")


def noise(seconds, seed=0):
    return np.random.default_rng(seed).uniform(-0.3, 0.3, round(seconds * RATE)).astype(np.float32)


def tone(hertz, seconds=1.0, rate=RATE):
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two recordings, of which one has two utterances and two channels; noises and rooms beside."""
    folder = tmp_path_factory.mktemp("corpus") / "data"
    folder.mkdir()
    stereo = np.stack([tone(440, 3), noise(3, 1)], axis=1)
    soundfile.write(folder / "r1.wav", stereo, RATE, subtype="FLOAT")
    soundfile.write(folder / "r2.flac", tone(1000, 2, 16000), 16000)
    spans = [("a", "r1.wav", 0.0, 1.0), ("b", "r1.wav", 1.0, 2.5), ("c", "r2.flac", 0.0, None)]
    utterances = [Utterance(each, str(folder / file), f"s-{each}", "x", *span, file) for each, file, *span in spans]
    datadir.write(folder, utterances)
    extraction.extract(folder, Choice("fbank", {"num_mel_bins": 20}), extraction.Options(channel=0, rate=RATE))
    rooms, noises = folder.parent / "rooms", folder.parent / "noises" / "deep" / "er"
    rooms.mkdir()
    noises.mkdir(parents=True)
    (noises / "README.txt").write_text("not audio")
    response = np.exp(-np.arange(2000) / 300) * noise(0.25, 5)
    response[30] = 1
    soundfile.write(rooms / "a.wav", response, RATE, subtype="FLOAT")
    soundfile.write(noises / "short.wav", noise(0.3, 6), RATE, subtype="FLOAT")
    soundfile.write(noises.parent / "long.WAV", noise(20, 7), RATE, subtype="FLOAT", format="WAV")
    return folder


def source(folder, **options):
    archive = Archive(folder / "features.h5")
    return heard.source(archive, folder, CMVN, dataclasses.replace(OFF, **options))


def everything(folder):
    return {
        "speed": (0.9, 1.0, 1.1),
        "volume": 6.0,
        "noise": str(folder.parent / "noises"),
        "reverberation": str(folder.parent / "rooms"),
        "vtlp": 0.1,
        "stretch": 0.1,
        "time_masks_per_second": 1.0,
    }


def seeded(index, epoch=1):
    return np.random.default_rng([0, epoch, index])


def test_without_options_the_archive_is_heard(folder):
    archive, found = Archive(folder / "features.h5"), source(folder)
    assert found.ear is None
    for at in range(3):
        assert np.array_equal(found.frames(at, seeded(at))[0], archive.frames(at))
        assert np.array_equal(found.plain(at), archive.frames(at))


def test_unperturbed_audio_gives_the_archives_frames(folder):
    """Channel, resampling and stretches are those of the extraction, read from the archive's stamp."""
    archive, ear = Archive(folder / "features.h5"), source(folder, volume=1.0).ear
    for at in range(3):
        assert np.array_equal(ear.extract(at, Perturbation()), archive.frames(at))


@pytest.mark.parametrize("kind", ["global", "speaker", "utterance"])
def test_frames_are_normalised_after_they_were_perturbed(folder, kind):
    archive = Archive(folder / "features.h5")
    cmvn = Cmvn(kind, archive.mean, archive.variance)
    found = heard.source(archive, folder, cmvn, dataclasses.replace(OFF, speed=(1.1,)))
    raw = found.ear.extract(1, Perturbation(speed=1.1))
    wanted = cmvn.apply(raw, archive.moments([1]))  # each speaker has one utterance
    assert np.array_equal(found.frames(1, seeded(1))[0], wanted)


def test_two_views_have_the_same_times_and_other_masks_and_voices(folder):
    """What one view shows and the other hides is the utterance at the same tempo, moved alike."""
    augment = {"stretch": 0.3, "time_warp": 0.2, "time_masks_per_second": 3.0}
    found = source(folder, **augment)
    (first, second), text = found.views(1, seeded(1), found.drawn((0, 1)), 1, 2)
    assert text is None
    assert len(first) == found.drawn((0, 1)).lengths[1]
    hidden = [(each == 0).all(axis=1) for each in (first, second)]
    assert first.shape == second.shape
    assert not np.array_equal(*hidden)
    seen = ~hidden[0] & ~hidden[1]
    assert seen.sum() > 10
    np.testing.assert_array_equal(first[seen], second[seen])
    voices = source(folder, vtlp=0.3)
    (one, other), _ = voices.views(1, seeded(1), voices.drawn((0, 1)), 1, 2)
    assert not np.allclose(one, other, atol=0.1)


def test_lengths_are_known_before_anything_is_heard(folder):
    """By speed to a frame or so, for each gives the frames that fit."""
    for options in {"stretch": 0.4}, {"speed": (0.5, 1.0, 2.0)}, {"stretch": 0.4, "speed": (0.5, 2.0)}:
        found, lengths = source(folder, **options), set()
        assert not found.even
        for epoch in range(8):
            drawn = found.drawn((0, epoch))
            for at in range(3):
                (frames,), _ = found.views(at, seeded(at, epoch), drawn, at, 1)
                assert len(frames) == pytest.approx(drawn.lengths[at], abs=4 if "speed" in options else 0)
                lengths.add((at, len(frames)))
        assert len(lengths) >= 6
    assert source(folder, speed=(1.1,)).even


def test_cost_is_saved_where_nothing_is_drawn(folder, monkeypatch):
    found = source(folder, speed=(1.0,))
    monkeypatch.setattr(heard.Ear, "extract", None)
    assert np.array_equal(found.frames(0, seeded(0))[0], found.archive.frames(0))


@pytest.mark.parametrize("speed", [0.9, 1.1])
def test_speed_changes_pitch_and_length(folder, speed):
    ear = source(folder, speed=(speed,)).ear
    found = ear.extract(0, Perturbation(speed=speed))
    extractor = Fbank(FbankConfig(num_mel_bins=20), RATE)
    wanted = extractor.extract(tone(440 * speed, 1 / speed).astype(np.float32))
    assert len(found) == pytest.approx(len(wanted), abs=1)
    middle = slice(10, 60)
    assert np.array_equal(found[middle].argmax(axis=1), wanted[middle].argmax(axis=1))
    spectrum = np.abs(np.fft.rfft(audio.resample(tone(440).astype(np.float32), round(RATE * speed), RATE)))
    assert spectrum.argmax() * RATE / (2 * len(spectrum) - 2) == pytest.approx(440 * speed, abs=2)


def test_noise_reverberation_and_volume_in_order(folder):
    ear = source(folder, **everything(folder)).ear
    drawn = Perturbation(response=0, noise=0, place=0.0, snr=7.0, gain=-3.0)
    response, _ = soundfile.read(folder.parent / "rooms/a.wav", dtype="float32")
    short, _ = soundfile.read(folder.parent / "noises/deep/er/short.wav", dtype="float32")
    samples = perturb.reverberate(tone(440).astype(np.float32), response)
    samples = perturb.mix(samples, np.resize(short, RATE), 7.0) * np.float32(10 ** (-3 / 20))
    wanted = Fbank(FbankConfig(num_mel_bins=20), RATE).extract(samples)
    np.testing.assert_allclose(ear.extract(0, drawn), wanted, atol=1e-3)


def test_a_stretch_of_a_long_noise(folder):
    noises = source(folder, **everything(folder)).ear.noises
    long, _ = soundfile.read(folder.parent / "noises/deep/long.WAV", dtype="float32")
    assert [each.rsplit("/", 1)[1] for each in noises.paths] == ["short.wav", "long.WAV"]
    assert np.array_equal(noises.stretch(1, 0.0, 1000), long[:1000])
    assert np.array_equal(noises.stretch(1, 1.0, 1000), long[-1000:])
    assert np.array_equal(noises.stretch(1, 0.5, 1000), long[79500:80500])


def test_the_same_seed_gives_the_same_frames_in_any_process_and_order(folder):
    one = source(folder, **everything(folder))
    items = [(at, epoch) for epoch in range(3) for at in range(3)]
    wanted = {item: one.frames(item[0], seeded(*item))[0] for item in items}
    assert len({each.tobytes() for each in wanted.values()}) == len(items)
    other = pickle.loads(pickle.dumps(source(folder, **everything(folder))))
    for item in reversed(items):
        assert np.array_equal(other.frames(item[0], seeded(*item))[0], wanted[item])
    for item, found in zip(items, ordered_map(Frames(one), items, jobs=2), strict=True):
        assert np.array_equal(found, wanted[item])


class Frames:
    """What a worker process does."""

    def __init__(self, source):
        self.source = source

    def __call__(self, item):
        return self.source.frames(item[0], seeded(*item))[0]


def test_utterances_too_short_for_a_higher_speed_keep_theirs(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    soundfile.write(data / "u.wav", noise(0.026), RATE, subtype="FLOAT")  # a frame is 0.025 s long
    datadir.write(data, [Utterance("u", str(data / "u.wav"), "s", "x")])
    extraction.extract(data, Choice("fbank", {"num_mel_bins": 20}))
    found = source(data, speed=(1.2,))
    assert np.array_equal(found.frames(0, seeded(0))[0], found.archive.frames(0))


def test_noise_of_another_rate_is_resampled_and_said(folder, tmp_path, caplog):
    soundfile.write(tmp_path / "n.wav", tone(1000, 1, 16000), 16000)
    with caplog.at_level(logging.INFO, "dstoolkit"):
        noises = source(folder, noise=str(tmp_path)).ear.noises
    assert "augment.noise: 1 of 1 files are resampled to 8000 Hz" in caplog.text
    found = noises.stretch(0, 0.5, 4000)
    assert len(found) == 4000
    assert np.abs(np.fft.rfft(found)).argmax() * RATE / 4000 == pytest.approx(1000, abs=2)


def test_folders_are_checked_first(folder, tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such folder; augment.noise names it"):
        source(folder, noise=str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"no audio; augment.reverberation names it; expected .*\.wav"):
        source(folder, reverberation=str(tmp_path))
    for name in "ab":
        (tmp_path / f"{name}.wav").write_text("not audio")
    with pytest.raises(Faults, match=r"a\.wav.*\n.*b\.wav"):
        source(folder, noise=str(tmp_path))


def test_recordings_must_be_those_of_the_archive(folder, tmp_path):
    datadir.write(tmp_path, [Utterance("a", str(folder / "r1.wav"), "s", "x", 0.0, 1.0, "r")])
    archive = Archive(folder / "features.h5")
    with pytest.raises(DataError, match=r"no audio of 'b', 'c'; expected the recordings that .*features.h5"):
        heard.source(archive, tmp_path, CMVN, dataclasses.replace(OFF, volume=1.0))


def test_precomputed_features_have_no_audio(tmp_path):
    np.save(tmp_path / "u.npy", np.random.default_rng(0).standard_normal((50, 13)).astype(np.float32))
    datadir.write(tmp_path, [Utterance("u", str(tmp_path / "u.npy"), "s", "x")], source="feats.scp")
    extraction.extract(tmp_path, Choice("precomputed"))
    with pytest.raises(ConfigError, match=r"augment.speed and augment.volume: 'precomputed' reads 'feats.scp', not"):
        source(tmp_path, volume=1.0, speed=(0.9,))
    warped = source(tmp_path, vtlp=0.2)
    assert warped.frames(0, seeded(0))[0].shape == (50, 13)
    assert not np.allclose(warped.frames(0, seeded(0))[0], warped.plain(0))
