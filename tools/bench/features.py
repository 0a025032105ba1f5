"""Feature extraction on one core: us and kaldi-native-fbank on the same audio, in one process, in turn.

    python tools/bench/features.py [--audio DIR] [--repeats 15] [--json FILE]

Audio is DIR's wav and flac files (below it too), or a minute of noise in ten-second pieces. Decoding is not timed. The
peer gets every advantage we know: a NumPy array as its input, and its frames are computed but not fetched. Speeds are
times real time, from the median of the repeats; a ratio above 1 says that we are faster.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import kaldi_native_fbank
import numpy as np
from common import commit

from dstoolkit.data import audio
from dstoolkit.features.fbank import Fbank, FbankConfig
from dstoolkit.features.mfcc import Mfcc, MfccConfig
from dstoolkit.features.spectrogram import Spectrogram, SpectrogramConfig
from dstoolkit.interfaces import Features

CASES: dict[str, Callable[[int], Features]] = {
    "fbank, 80 bins": lambda rate: Fbank(FbankConfig(num_mel_bins=80), rate),
    "fbank, 40 bins": lambda rate: Fbank(FbankConfig(num_mel_bins=40), rate),
    "mfcc, 23 bins": lambda rate: Mfcc(MfccConfig(), rate),
    "spectrogram": lambda rate: Spectrogram(SpectrogramConfig(), rate),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audio", type=Path, help="folder of wav or flac files of one rate")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the table here too")
    arguments = parser.parse_args()
    pieces, rate = load(arguments.audio)
    seconds = sum(map(len, pieces)) / rate
    rows = [measure(name, make(rate), pieces, rate, arguments.repeats) for name, make in CASES.items()]
    print(f"{seconds:.0f} s of audio at {rate} Hz in {len(pieces)} pieces, median of {arguments.repeats}")
    print(f"{'':16} {'dstoolkit':>12} {'kaldi-native-fbank':>20} {'ratio':>7}")
    for row in rows:
        peer = f"{row['peer']:18.0f} x {row['ratio']:7.2f}" if row["peer"] else f"{'-':>18}"
        print(f"{row['name']:16} {row['ours']:10.0f} x {peer}")
    if arguments.json:
        about = {"commit": commit(), "rate": rate, "seconds": seconds, "repeats": arguments.repeats}
        arguments.json.write_text(json.dumps({**about, "unit": "times real time", "rows": rows}, indent=1) + "\n")


def load(folder: Path | None) -> tuple[list[np.ndarray], int]:
    """Pieces of audio and their rate in Hz."""
    if folder is None:
        noise = np.random.default_rng(0).standard_normal((6, 160_000), dtype=np.float32)
        return list(noise / 10), 16000
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".wav", ".flac"))
    read = [audio.read(path) for path in paths]
    rates = {rate for _, rate in read}
    if len(rates) != 1:
        raise SystemExit(f"{folder}: audio of the rates {sorted(rates)}; expected wav or flac files of one rate")
    return [samples for samples, _ in read], rates.pop()


def measure(name: str, ours: Features, pieces: Sequence[np.ndarray], rate: int, repeats: int) -> dict[str, Any]:
    """Speeds in times real time; the two take turns, so that a busy machine slows both."""
    scaled = [piece * 32768 for piece in pieces]
    peer = kaldi(ours, rate)
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for repeat in range(repeats + 1):  # the first warms up
        took = {"ours": timed(ours.extract, pieces)}
        if peer is not None:
            took["peer"] = timed(peer, scaled)
        for who in took if repeat else ():
            times[who].append(took[who])
    seconds = sum(map(len, pieces)) / rate
    speed = {who: seconds / statistics.median(each) for who, each in times.items() if each}
    fastest = {f"{who}_best": seconds / min(each) for who, each in times.items() if each}
    ratio = speed["ours"] / speed["peer"] if peer else None
    return {"name": name, "ours": speed["ours"], "peer": speed.get("peer"), "ratio": ratio, **fastest}


def timed(extract: Callable[[np.ndarray], Any], pieces: Sequence[np.ndarray]) -> float:
    start = time.perf_counter()
    for piece in pieces:
        extract(piece)
    return time.perf_counter() - start


def kaldi(ours: Features, rate: int) -> Callable[[np.ndarray], int] | None:
    """The peer with the same options: samples -> number of frames computed; None where it has no such features."""
    if isinstance(ours, Fbank):
        options, online = kaldi_native_fbank.FbankOptions(), kaldi_native_fbank.OnlineFbank
        options.mel_opts.num_bins = ours.config.num_mel_bins
    elif isinstance(ours, Mfcc):
        options, online = kaldi_native_fbank.MfccOptions(), kaldi_native_fbank.OnlineMfcc
    else:
        return None
    options.frame_opts.samp_freq, options.frame_opts.dither = rate, 0

    def extract(samples: np.ndarray) -> int:
        computer = online(options)
        computer.accept_waveform(rate, samples)
        computer.input_finished()
        return int(computer.num_frames_ready)

    return extract


if __name__ == "__main__":
    main()
