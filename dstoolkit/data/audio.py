"""Audio files as mono float32 samples in [-1, 1]; times in seconds, rates in Hz, channels counted from 0.

wav, flac, ogg, mp3, aiff, au and NIST SPHERE are read through libsndfile (``soundfile``); what a file is follows from
its content, not its name. Headerless ``.raw`` says nothing of its rate or coding and is read only by ``read_raw``.
SPHERE files compressed with shorten are refused: no maintained library decodes them. Resampling is soxr's, high quality
(a linear-phase filter whose passband reaches 91 % of the lower Nyquist frequency).

A stretch that ends a little after the recording is cut at its end, as Kaldi's ``extract-segments`` does: hand-made
times are often rounded.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import soundfile

from dstoolkit.errors import DataError

if TYPE_CHECKING:
    from dstoolkit.interfaces import FloatArray

OVERSHOOT = 0.5  # seconds that a stretch may end after its recording; the default of Kaldi's extract-segments
SPHERE_MAGIC = b"NIST_1A"
SPHERE_HEADER = 1024  # bytes; the header's usual size
STREAMED = 0x7FFFF000  # a wav written to a pipe states this many bytes of data or more, not knowing its length
BLOCK = 1 << 22  # samples read at once: over four minutes at 16 kHz
STREAM_BLOCK = 1 << 17  # samples read at once where memory is to stay small: three seconds at 44.1 kHz
QUALITY = "HQ"  # of soxr
INT16_SCALE = 32768.0  # 2 ** 15: 16-bit samples -> [-1, 1)

Channel = int | Literal["mix"] | None


@dataclass(frozen=True)
class AudioInfo:
    """What a header says: ``rate`` in Hz, number of ``channels``, ``duration`` in seconds."""

    rate: int
    channels: int
    duration: float


def info(path: str | Path) -> AudioInfo:
    """What the header of an audio file says. Raises DataError where it is missing, empty, corrupt or of no known form.

    Only the header is read (of mp3, all frames' headers); a file cut short may still show in ``read`` alone.
    """
    with _open(path) as file:
        return AudioInfo(file.samplerate, file.channels, file.frames / file.samplerate)


def read(
    path: str | Path,
    *,
    start: float = 0.0,
    end: float | None = None,
    channel: Channel = None,
    rate: int | None = None,
) -> tuple[FloatArray, int]:
    """One channel of a stretch of a recording: ``(samples,)`` float32 in [-1, 1] and the rate in Hz.

    ``start`` and ``end`` are seconds; ``end`` None is the recording's end. ``channel`` counts from 0, ``"mix"`` is the
    mean of all; None expects a single one. ``rate`` resamples where it differs. Raises DataError naming the file.
    """
    with _open(path) as file:
        pick = _pick_channel(path, file.channels, channel)
        first, last = _span(path, file.frames, file.samplerate, start, end)
        mono = [_single(path, block, pick) for block in _decode(path, file, first, last, BLOCK)]
        native = file.samplerate
    samples = mono[0] if len(mono) == 1 else np.concatenate(mono)
    if rate is None or rate == native:
        return samples, native
    return resample(samples, native, rate), rate


def blocks(path: str | Path, *, channel: Channel = None, rate: int | None = None) -> Iterator[FloatArray]:
    """What ``read`` gives of a whole recording, the same to the bit, in pieces ``(samples,)`` that bound the memory.

    Raises DataError naming the file, at the piece that shows the fault.
    """
    import soxr

    with _open(path) as file:
        pick, native = _pick_channel(path, file.channels, channel), file.samplerate
        pieces = (_single(path, block, pick) for block in _decode(path, file, 0, file.frames, STREAM_BLOCK))
        if rate is None or rate == native:
            yield from pieces
            return
        resampler = soxr.ResampleStream(native, rate, 1, dtype="float32", quality=QUALITY)
        for piece in pieces:
            yield resampler.resample_chunk(piece)
        yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def read_raw(path: str | Path, rate: int, endian: Literal["little", "big"]) -> tuple[FloatArray, int]:
    """A headerless file of 16-bit mono samples, of which the caller knows rate and byte order. Raises DataError."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(path, (error.strerror or str(error)).lower(), "expected an audio file") from error
    if not content or len(content) % 2:
        raise DataError(path, f"{len(content)} bytes", "expected 16-bit samples, two bytes each")
    samples = np.frombuffer(content, dtype="<i2" if endian == "little" else ">i2")
    return samples.astype(np.float32) / np.float32(INT16_SCALE), rate


def resample(samples: FloatArray, native: int, rate: int) -> FloatArray:
    """``(samples,)`` at ``native`` Hz -> ``(about samples * rate / native,)`` at ``rate`` Hz."""
    import soxr

    resampled: FloatArray = soxr.resample(
        np.ascontiguousarray(samples, dtype=np.float32), native, rate, quality=QUALITY
    )
    return resampled


def _open(path: str | Path) -> Any:
    """The file opened by libsndfile, holding at least one sample. Raises DataError."""
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        said = getattr(error, "strerror", None) or str(error)
        raise DataError(path, said.lower(), "expected an audio file") from error
    if not stat.S_ISREG(found.st_mode):  # opening a named pipe would wait for ever
        what = "a folder" if stat.S_ISDIR(found.st_mode) else "neither a file nor a link to one"
        raise DataError(path, what, "expected an audio file")
    if found.st_size == 0:
        raise DataError(path, "an empty file", "expected audio")
    if str(path).lower().endswith(".raw"):
        raise DataError(path, "headerless audio", "expected a format that states its rate", _raw_advice(path))
    _check_whole(path, found.st_size)
    try:
        file = soundfile.SoundFile(os.fspath(path))
    except (soundfile.SoundFileError, TypeError) as error:  # TypeError: a name whose ending soundfile takes for raw
        raise _unreadable(path, error) from error
    if file.frames <= 0:
        file.close()
        raise DataError(path, "no samples", "expected audio")
    return file


def _check_whole(path: str | Path, size: int) -> None:
    """Refuse a wav or SPHERE file cut short, which libsndfile reads as if it were a shorter one. Raises DataError."""
    try:
        with open(path, "rb") as file:
            header = file.read(SPHERE_HEADER)
            if header.startswith(b"RIFF") and header[8:12] == b"WAVE":
                stated = _riff_end(file)
            else:
                stated = _sphere_end(header) if header.startswith(SPHERE_MAGIC) else 0
    except OSError as error:
        raise DataError(path, (error.strerror or str(error)).lower(), "expected an audio file") from error
    if stated > size:
        raise DataError(path, f"{size} bytes, cut short", f"its header states {stated}", "fetch or make it anew")


def _riff_end(file: Any) -> int:
    """Where the data chunk of a wav file ends by its header, in bytes; 0 where it does not say."""
    at = 12  # after 'RIFF', the size and 'WAVE'
    while True:
        file.seek(at)
        chunk = file.read(8)
        if len(chunk) < 8:
            return 0
        length = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"data":
            return at + 8 + length if length < STREAMED else 0
        at += 8 + length + length % 2


def _sphere_end(header: bytes) -> int:
    """Where the samples of a SPHERE file end by its header, in bytes; 0 where it does not say."""
    fields = {}
    for line in header.decode("latin-1").splitlines():
        parts = line.split(None, 2)
        if len(parts) == 3:
            fields[parts[0]] = parts[2]
    if "shorten" in fields.get("sample_coding", ""):
        return 0
    try:
        size = int(header[8:16])
        return size + math.prod(int(fields[name]) for name in ("sample_count", "channel_count", "sample_n_bytes"))
    except (KeyError, ValueError):
        return 0


def _raw_advice(path: str | Path) -> str:
    wav = Path(path).with_suffix(".wav").name
    return f"convert it, say with 'sox -t raw -r 16000 -e signed -b 16 -c 1 {Path(path).name} {wav}'"


def _unreadable(path: str | Path, error: Exception) -> DataError:
    """Why libsndfile refused a file, with advice where the reason is a known one."""
    with open(path, "rb") as file:
        header = file.read(SPHERE_HEADER)
    if header.startswith(SPHERE_MAGIC) and b"shorten" in header:
        advice = f"convert it first: sph2pipe -f wav {Path(path).name} {Path(path).with_suffix('.wav').name}"
        return DataError(path, "SPHERE audio compressed with shorten", "expected plain pcm or ulaw samples", advice)
    said = getattr(error, "error_string", None) or str(error)
    said = " ".join(said.removeprefix("Error : ").split()).rstrip(".")
    return DataError(
        path, f"not readable as audio: {said[:1].lower()}{said[1:]}", "expected wav, flac, ogg, mp3 or SPHERE"
    )


def _pick_channel(path: str | Path, channels: int, channel: Channel) -> int | Literal["mix"]:
    if channel == "mix":
        return "mix"
    if channel is None:
        if channels > 1:
            advice = f"choose one (0 to {channels - 1}) or 'mix'"
            raise DataError(path, f"{channels} channels", "expected one", advice)
        return 0
    if not 0 <= channel < channels:
        have = f"only channels 0 to {channels - 1}" if channels > 1 else "a single channel, 0"
        raise DataError(path, f"no channel {channel}", f"it has {have}")
    return channel


def _span(path: str | Path, frames: int, rate: int, start: float, end: float | None) -> tuple[int, int]:
    """Seconds -> first sample and the one after the last. Raises DataError for a stretch outside the recording."""
    duration = frames / rate
    last = duration if end is None else end
    stretch = f"the stretch from {start:g} to {last:g} s"
    if not (np.isfinite(start) and np.isfinite(last)) or start < 0 or last <= start:
        raise DataError(path, stretch, "expected 0 <= start < end")
    if last > duration + OVERSHOOT or start >= duration:
        raise DataError(path, stretch, f"expected it within the recording's {duration:.3f} s")
    span = round(start * rate), min(round(last * rate), frames)
    if span[0] >= span[1]:
        raise DataError(path, stretch, "expected at least one sample")
    return span


def _decode(path: str | Path, file: Any, first: int, last: int, size: int) -> Iterator[FloatArray]:
    """``(samples, channels)`` float32, ``size`` samples at a time. Raises DataError where the file ends early.

    By blocks, because a corrupt header may state more samples than memory holds.
    """
    try:
        if first:
            file.seek(first)
        for at in range(first, last, size):
            block = file.read(min(size, last - at), dtype="float32", always_2d=True)
            if len(block) < min(size, last - at):
                raise _ends_early(path, file, at + len(block))
            yield block
    except soundfile.SoundFileError as error:
        raise _unreadable(path, error) from error


def _ends_early(path: str | Path, file: Any, end: int) -> DataError:
    got = f"ends after {end / file.samplerate:.3f} s"
    return DataError(path, got, f"its header states {file.frames / file.samplerate:.3f} s", "fetch or make it anew")


def _single(path: str | Path, block: FloatArray, pick: int | Literal["mix"]) -> FloatArray:
    """``(samples, channels)`` -> one of the channels, or their mean, ``(samples,)``. Raises DataError for NaN."""
    mono = block.mean(axis=1, dtype=np.float32) if pick == "mix" else block[:, pick]
    if not np.isfinite(mono).all():
        raise DataError(path, "samples that are not finite", "expected numbers in [-1, 1]", "export the audio anew")
    return np.ascontiguousarray(mono)
