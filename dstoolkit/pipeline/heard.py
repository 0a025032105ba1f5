"""What a training hears of an utterance: normalised frames, as they are or augmented anew each time.

In this order: words are put together anew (``splicing.py``) or the audio is perturbed (``features/perturb.py``) and its
features are extracted anew; the vocal tract length is perturbed (``features/warping.py``) and bands of cepstra are
hidden; the frames are normalised, then stretched and masked (``features/augment.py``). Plugins come at the end of what
is done to audio, to frames and to normalised frames (``augmentations.py``). Where no option asks for the audio, or none
of it was drawn, frames come from the archive.

What changes the length of an utterance (which words, how fast) is drawn for all utterances of an epoch at once, so that
batches can be planned by it. All else comes from one generator per utterance, in that order, which the training seeds
by the run's seed, the epoch and the utterance's index: neither the batch nor the process matters.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dstoolkit import stamp
from dstoolkit.data import audio, recordings
from dstoolkit.data.archive import Archive
from dstoolkit.data.datadir import DataDir
from dstoolkit.errors import ConfigError, DataError, Faults, few
from dstoolkit.features import perturb
from dstoolkit.features.augment import Augment, hide_bands
from dstoolkit.features.cmvn import Cmvn
from dstoolkit.features.perturb import Perturbation
from dstoolkit.interfaces import Utterance
from dstoolkit.pipeline import augmentations
from dstoolkit.pipeline.augmentations import Augmentations, extractor
from dstoolkit.pipeline.extraction import listen
from dstoolkit.pipeline.recognition import Frames
from dstoolkit.pipeline.splicing import Splicer, Splices

if TYPE_CHECKING:
    from dstoolkit.data.batches import IntArray
    from dstoolkit.interfaces import FloatArray

    Factors = np.ndarray[Any, np.dtype[np.float64]]

SOUNDS = {".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".au", ".sph"}  # endings of audio files in a folder

EPOCH = (0, 1)  # follows run and epoch in the seed of what is drawn for all; an utterance's has its index there

log = logging.getLogger("dstoolkit")


@dataclass(frozen=True)
class Drawn:
    """What was drawn for some utterances: ``tempos`` and ``speeds``, factors ``(utterances,)``, and the words that they
    are put together of. ``lengths``, in frames, is what they come to: to a frame or so where audio is faster, and apart
    from what plugins change.
    """

    tempos: Factors
    speeds: Factors
    splices: Splices | None
    lengths: IntArray


class Source:
    """An archive's utterances by index: ``(frames, dim)`` float32. Picklable, to prepare batches in other processes."""

    def __init__(
        self,
        archive: Archive,
        cmvn: Cmvn,
        augment: Augment,
        ear: Ear | None = None,
        splicer: Splicer | None = None,
        augmentations: Augmentations | None = None,
    ) -> None:
        self.archive, self.augment, self.ear, self.splicer = archive, augment, ear, splicer
        self.augmentations = Augmentations([]) if augmentations is None else augmentations
        self._frames = Frames(archive, cmvn)
        self._drawn: dict[tuple[int, int], Drawn] = {}
        self._features = extractor(archive) if augment.vtlp or augment.band_masks else None
        self._warper = augment.warper(self._features) if self._features else None

    @property
    def even(self) -> bool:
        """Whether utterances are as long in each epoch."""
        low, high = self.augment.tempos(2, np.random.default_rng(0))
        return bool(low == high) and not self.splicer and len(set(self.augment.speed)) < 2

    def drawn(self, seed: tuple[int, int]) -> Drawn:
        """For all utterances of the archive, by run and epoch."""
        found = self._drawn.get(seed)
        if found is None:
            found = self.draw(np.arange(len(self.archive)), np.random.default_rng([*seed, *EPOCH]))
            self._drawn = {seed: found}  # of the last epoch that was asked for, by any thread
        return found

    def draw(self, indices: IntArray, rng: np.random.Generator) -> Drawn:
        """For these utterances."""
        tempos, speeds = self.augment.tempos(len(indices), rng), self.augment.speeds(len(indices), rng)
        splices = self.splicer.draw(indices, self.augment.splice, rng) if self.splicer else None
        lengths = splices.lengths if splices else np.asarray(self.archive.lengths)[indices]
        if splices:  # these are of the archive's frames
            speeds = np.where(np.diff(splices.bounds) > 0, 1.0, speeds)
        lengths = np.maximum(1, np.round(lengths / speeds / tempos)).astype(np.int64)
        return Drawn(tempos, speeds, splices, lengths)

    def plain(self, index: int) -> FloatArray:
        """Normalised only."""
        return self._frames[index]

    def frames(self, index: int, rng: np.random.Generator) -> tuple[FloatArray, str | None]:
        """Augmented, by ``rng`` alone; and the words, where they are others. Raises DataError for unreadable audio."""
        (frames,), text = self.views(index, rng, self.draw(np.asarray([index]), rng), 0, 1)
        return frames, text

    def views(
        self, index: int, rng: np.random.Generator, drawn: Drawn, row: int, count: int
    ) -> tuple[list[FloatArray], str | None]:
        """The same words at the same times, augmented ``count`` times otherwise: by vocal tract, masks and plugins; and
        the words, where they are others.

        ``row`` is the utterance's place in ``drawn``. Raises DataError for unreadable audio, ConfigError where a
        plugin's augmentation changes the times.
        """
        heard, text = self._heard(index, rng, drawn, row)
        shift, found = self.archive.frame_shift, []
        for at in range(count):
            frames = self._normalised(index, heard, rng)
            if not at:
                length = len(frames)
                places = self.augment.places(length, rng, shift, float(drawn.tempos[row]))
            same = len(frames) == length
            view = self.augment.masked(frames, places if same else None, rng, shift)
            found.append(self.augmentations.apply("normalised", view, rng))
            if not same or len(found[-1]) != len(found[0]):
                changed = "one of augment.plugins changes the number of frames"
                raise ConfigError(
                    "train.consistency", changed, "two views are of the same times", "leave one of them out"
                )
        return found, text

    def _normalised(self, index: int, heard: FloatArray, rng: np.random.Generator) -> FloatArray:
        if self._warper:
            heard = self._warper.apply(heard, rng)
        if self._features and self.augment.band_masks:
            heard = hide_bands(heard, self.augment.band_masks, self.augment.band_width, self._features, rng)
        return self._frames.normalised(index, self.augmentations.apply("frames", heard, rng))

    def _heard(self, index: int, rng: np.random.Generator, drawn: Drawn, row: int) -> tuple[FloatArray, str | None]:
        words = drawn.splices.of(row) if drawn.splices else []
        if self.splicer and words:
            return self.splicer.splice(index, words)
        heard = self.ear.hear(index, rng, float(drawn.speeds[row])) if self.ear else None
        return self.archive.frames(index) if heard is None else heard, None


def source(archive: Archive, data_dir: Path, cmvn: Cmvn, augment: Augment) -> Source:
    """The utterances of the archive of ``data_dir``, whose audio is opened only where ``augment`` changes it.

    Raises ConfigError, PluginError, DataError or Faults.
    """
    chosen = augmentations.choose(augment.plugins, archive) if augment.plugins else Augmentations([])
    ear = Ear(archive, data_dir, augment, chosen) if augment.of_audio or chosen.at("audio") else None
    splicer = None
    if augment.splice:
        splicer = Splicer(archive, data_dir, Path(augment.alignments), extractor(archive))
    return Source(archive, cmvn, augment, ear, splicer, chosen)


class Ear:
    """Computes features of perturbed audio as ``features extract`` did of the audio as it is. Picklable.

    Raises ConfigError where the archive was not made from audio, DataError or Faults for the folders.
    """

    def __init__(
        self, archive: Archive, data_dir: Path, augment: Augment, augmentations: Augmentations | None = None
    ) -> None:
        self.augment, self.rate = augment, archive.sample_rate
        self.augmentations = Augmentations([]) if augmentations is None else augmentations
        self.features = extractor(archive)
        if self.features.source != "wav.scp":
            found = f"{archive.extractor!r} reads '{self.features.source}', not audio"
            options = [f"augment.{name}" for name in augment.of_audio]
            wanted = " and ".join([*options, *(each.where for each in self.augmentations.at("audio"))])
            raise ConfigError(wanted, found, "", "extract features from audio, or leave these options out")
        self.utterances = _in_order(archive, DataDir.read(data_dir))
        made = stamp.read(archive.path)
        self.channel: audio.Channel = made.config.get("channel") if made else None
        self.responses = Sounds("reverberation", augment.reverberation, self.rate)
        self.noises = Sounds("noise", augment.noise, self.rate)

    def hear(self, index: int, rng: np.random.Generator, speed: float) -> FloatArray | None:
        """``(frames, dim)`` of one utterance, perturbed by ``rng``; None where nothing was drawn."""
        drawn = Perturbation.draw(self.augment, len(self.responses), len(self.noises), rng, speed)
        if drawn == Perturbation() and not self.augmentations.at("audio"):
            return None
        return self.extract(index, drawn, rng)

    def extract(self, index: int, drawn: Perturbation, rng: np.random.Generator | None = None) -> FloatArray:
        """``(frames, dim)``, not normalised; with ``rng`` plugins change the audio too.

        Speed, and plugins, are left alone where there would be no frame.
        """
        samples = listen(self.utterances[index], self.rate, self.channel)
        if drawn.speed != 1:
            faster = audio.resample(samples, round(self.rate * drawn.speed), self.rate)
            samples = faster if self.features.num_frames(len(faster)) else samples
        if drawn.response is not None:
            samples = perturb.reverberate(samples, self.responses.whole(drawn.response))
        if drawn.noise is not None:
            samples = perturb.mix(samples, self.noises.stretch(drawn.noise, drawn.place, len(samples)), drawn.snr)
        samples = perturb.amplify(samples, drawn.gain)
        if rng is not None:
            changed = self.augmentations.apply("audio", samples, rng)
            samples = changed if self.features.num_frames(len(changed)) else samples
        return self.features.extract(samples)


def _in_order(archive: Archive, data: DataDir) -> list[Utterance]:
    """The utterances of the archive, in its order. Raises DataError."""
    known = {each.id: each for each in data.utterances}
    lacking = [each for each in archive.utterance_ids if each not in known]
    if data.source != "wav.scp" or lacking:
        found = f"no audio of {few(lacking)}" if lacking else f"holds '{data.source}'"
        raise DataError(data.path, found, f"expected the recordings that '{archive.path}' was made from")
    return [known[each] for each in archive.utterance_ids]


class Sounds:
    """The audio files below a folder, by index in the order of their paths; none for the folder ``""``.

    Of several channels the first is heard. Other rates are resampled to ``rate``. Raises DataError or Faults for a
    folder without audio and for files that are none. ``option`` is what named the folder.
    """

    def __init__(self, option: str, folder: str, rate: int) -> None:
        self.rate, self.paths = rate, _audio_below(option, Path(folder)) if folder else []
        found = recordings.open_all(self.paths)
        Faults.check(each for each in found.values() if isinstance(each, DataError))
        self.infos = [each for each in found.values() if isinstance(each, audio.AudioInfo)]
        other = sum(each.rate != rate for each in self.infos)
        if other:
            log.info("augment.%s: %d of %d files are resampled to %d Hz", option, other, len(self.paths), rate)

    def __len__(self) -> int:
        return len(self.paths)

    def whole(self, index: int) -> FloatArray:
        return audio.read(self.paths[index], channel=0, rate=self.rate)[0]

    def stretch(self, index: int, place: float, count: int) -> FloatArray:
        """``(count,)`` samples from somewhere in a file, where ``place`` 0 is the first such stretch and 1 the last.

        A file that is shorter is repeated, from its beginning.
        """
        spare = self.infos[index].duration - count / self.rate
        if spare <= 0:
            return perturb.fill(self.whole(index), count)
        start = place * spare
        end = start + count / self.rate
        return perturb.fill(audio.read(self.paths[index], start=start, end=end, channel=0, rate=self.rate)[0], count)


def _audio_below(option: str, folder: Path) -> list[str]:
    if not folder.is_dir():
        raise DataError(folder, "no such folder", f"augment.{option} names it")
    paths = sorted(each for each in folder.rglob("*") if each.suffix.lower() in SOUNDS and each.is_file())
    if not paths:
        raise DataError(folder, "no audio", f"augment.{option} names it; expected {', '.join(sorted(SOUNDS))} below it")
    return [str(each.absolute()) for each in paths]
