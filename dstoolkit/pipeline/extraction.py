"""From a data directory to its feature archive: ``DIR/features.h5``.

Every recording's header is looked at first, so that a missing file, another sample rate or an utterance too short for
one frame shows before any work; what only decoding shows is gathered on the way. All faults are reported at once, and
the archive appears whole, with its stamp, or not at all. Its bytes do not depend on the number of processes.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dstoolkit import config, plugins, stamp
from dstoolkit.data import audio
from dstoolkit.data.archive import Archive, ArchiveWriter
from dstoolkit.data.archive_writer import Stored
from dstoolkit.data.datadir import DataDir
from dstoolkit.errors import DataError, DstoolkitError, Faults
from dstoolkit.pipeline.workers import ordered_map

if TYPE_CHECKING:
    from dstoolkit.interfaces import Features, FloatArray, Utterance

ARCHIVE = "features.h5"
INPUTS = ("wav.scp", "feats.scp", "segments", "utt2spk")  # what features depend on; a new 'text' leaves them valid
SHARD_FRAMES = 10_000_000  # 28 h at 100 frames/s: 3.2 GB of 80 float32 values each

Progress = Callable[[Iterable[Any], int], Iterable[Any]]


@dataclass(frozen=True)
class Options:
    """How to extract.

    dtype: how frames are stored. channel: which one, counted from 0, or their mean (None: expect a single one).
    rate: resample to this, in Hz (None: expect one rate throughout). jobs: processes. shard_frames: a file holds no
    more. force: make anew what is done or was made differently.
    """

    dtype: Literal["float32", "float16"] = "float32"
    channel: int | Literal["mix"] | None = None
    rate: int | None = None
    jobs: int = 1
    shard_frames: int = SHARD_FRAMES
    force: bool = False


@dataclass(frozen=True)
class Extracted:
    """What was done: ``skipped`` where the archive was there already; ``resampled`` and ``mixed`` count recordings."""

    archive: Path
    utterances: int
    seconds: float
    frames: int
    dim: int
    skipped: bool = False
    recordings: int = 0
    resampled: int = 0
    several_channels: int = 0


@dataclass(frozen=True)
class Survey:
    """What the headers of a directory's recordings say; ``rate`` is the one that features see, in Hz."""

    rate: int = 0
    durations: Mapping[str, float] = field(default_factory=dict)  # path -> s
    resampled: int = 0
    several_channels: int = 0


def no_progress(items: Iterable[Any], total: int) -> Iterable[Any]:
    return items


def extract(
    folder: Path, choice: config.Choice, options: Options | None = None, progress: Progress = no_progress
) -> Extracted:
    """Extract the features that ``choice`` names from a data directory.

    ``progress`` wraps an iterable of so many items, as tqdm does. Raises PluginError, ConfigError, StampError,
    DataError or Faults.
    """
    options = options or Options()
    extractor, settings = plugins.choose("features", choice)
    output, made = folder / ARCHIVE, _stamp(folder, extractor, settings, options)
    if stamp.is_done(output, made, options.force):
        return _summary(output, skipped=True)
    data = DataDir.read(folder)
    if data.source != extractor.source:
        advice = "choose others with --set features=NAME"
        raise DataError(folder, f"holds '{data.source}'", f"{extractor.name!r} reads '{extractor.source}'", advice)
    survey = _survey(data, options) if data.source == "wav.scp" else Survey()
    features = extractor(settings, survey.rate)
    _check_lengths(data, features, survey)
    with stamp.building(output, made, folder=False) as partial:
        writer = ArchiveWriter(
            partial,
            extractor=features.name,
            config=config.plain(settings),
            sample_rate=survey.rate,
            frame_shift=features.frame_shift,
            dim=features.dim,
            dtype=options.dtype,
            shard_frames=options.shard_frames,
        )
        task = _Task(features, survey.rate, options.channel, options.dtype)
        with closing(ordered_map(task, data.utterances, options.jobs)) as results:
            _write(writer, data, progress(results, len(data.utterances)))
    _sweep(output)
    return _summary(output, survey)


def _stamp(folder: Path, extractor: type[Features], settings: Any, options: Options) -> stamp.Stamp:
    if not folder.is_dir():
        raise DataError(folder, "no such folder", "expected a data directory")
    settings = {
        "features": {"name": extractor.name, **config.plain(settings)},
        "dtype": options.dtype,
        "channel": options.channel,
        "rate": options.rate,
        "shard_frames": options.shard_frames,
    }
    inputs = {name: stamp.digest(folder / name) for name in INPUTS if (folder / name).is_file()}
    return stamp.Stamp("features extract", settings, inputs)


def _survey(data: DataDir, options: Options) -> Survey:
    """Look at every recording's header. Raises all faults of files, rates and channels at once."""
    faults: list[DstoolkitError] = []
    infos: dict[str, audio.AudioInfo] = {}
    for path in dict.fromkeys(each.path for each in data.utterances):
        try:
            infos[path] = audio.info(path)
        except DataError as error:
            faults.append(error)
    common = Counter(each.rate for each in infos.values()).most_common(1)
    rate = options.rate or (common[0][0] if common else 0)
    for path, info in infos.items():
        if options.rate is None and info.rate != rate:
            advice = f"resample all with --rate {rate}"
            faults.append(DataError(path, f"{info.rate} Hz", f"most of '{data.path}' has {rate} Hz", advice))
        faults += _channel_faults(path, info, options)
    Faults.check(faults)
    return Survey(
        rate,
        {path: info.duration for path, info in infos.items()},
        sum(info.rate != rate for info in infos.values()),
        sum(info.channels > 1 for info in infos.values()),
    )


def _channel_faults(path: str, info: audio.AudioInfo, options: Options) -> list[DstoolkitError]:
    if options.channel is None and info.channels > 1:
        advice = f"choose one with --channel (0 to {info.channels - 1}) or --channel mix"
        return [DataError(path, f"{info.channels} channels", "expected one", advice)]
    if isinstance(options.channel, int) and options.channel >= info.channels:
        return [DataError(path, f"no channel {options.channel}", f"it has {info.channels}, counted from 0")]
    return []


def _check_lengths(data: DataDir, features: Features, survey: Survey) -> None:
    """Refuse utterances too short for one frame, by their stated times. Raises DataError or Faults."""
    faults: list[DstoolkitError] = []
    for each in data.utterances if data.source == "wav.scp" else ():
        duration = survey.durations[each.path]
        end = duration if each.end is None else min(each.end, duration)
        samples = round((end - each.start) * survey.rate)
        if samples > 0 and features.num_frames(samples) == 0:  # an empty stretch is the reader's to refuse
            faults.append(_too_short(each.id, samples, survey.rate, features.name))
    Faults.check(faults)


def _too_short(utterance_id: str, samples: int, rate: int, name: str) -> DataError:
    found = f"{samples} samples ({samples / rate:.3f} s)"
    return DataError(f"utterance {utterance_id!r}", found, f"too short for one frame of {name!r}", "leave it out")


def listen(utterance: Utterance, rate: int, channel: audio.Channel) -> FloatArray:
    """The utterance's samples as features are extracted from them, at ``rate`` Hz. Raises DataError."""
    return audio.read(utterance.path, start=utterance.start, end=utterance.end, channel=channel, rate=rate)[0]


@dataclass(frozen=True)
class _Task:
    """One utterance -> its frames and seconds, or the fault that stands against them; runs in the workers."""

    features: Features
    rate: int
    channel: int | Literal["mix"] | None
    dtype: str

    def __call__(self, utterance: Utterance) -> tuple[Stored, float] | DstoolkitError:
        try:
            frames, duration = self._load(utterance) if self.features.source == "feats.scp" else self._hear(utterance)
            return Stored.of(utterance.id, frames, self.features.dim, self.dtype), duration
        except DstoolkitError as error:
            return error

    def _load(self, utterance: Utterance) -> tuple[FloatArray, float]:
        frames = self.features.load(utterance.path)
        return frames, len(frames) * self.features.frame_shift

    def _hear(self, utterance: Utterance) -> tuple[FloatArray, float]:
        samples = listen(utterance, self.rate, self.channel)
        if self.features.num_frames(len(samples)) == 0:
            raise _too_short(utterance.id, len(samples), self.rate, self.features.name)
        return self.features.extract(samples), len(samples) / self.rate


def _write(writer: ArchiveWriter, data: DataDir, results: Iterable[Any]) -> None:
    """Add what the tasks found; on faults go on to the end, to report them all. Raises DataError or Faults."""
    faults: list[DstoolkitError] = []
    with writer:
        for utterance, result in zip(data.utterances, results, strict=True):
            if isinstance(result, DstoolkitError):
                faults.append(result)
            elif not faults:
                writer.add(utterance.id, result[0], utterance.speaker, result[1])
        Faults.check(faults)


def _sweep(output: Path) -> None:
    """Remove shards that the archive does not use: a former one's, or a killed run's."""
    with Archive(output) as archive:
        used = {each.parent for each in archive.shards}
    for folder in output.parent.glob(f"{output.stem}.*.shards"):
        if folder not in used:
            shutil.rmtree(folder)


def _summary(output: Path, survey: Survey | None = None, skipped: bool = False) -> Extracted:
    survey = survey or Survey()
    with Archive(output) as archive:
        return Extracted(
            output,
            len(archive),
            float(archive.durations.sum()),
            int(archive.lengths.sum()),
            archive.dim,
            skipped,
            len(survey.durations),
            survey.resampled,
            survey.several_channels,
        )
