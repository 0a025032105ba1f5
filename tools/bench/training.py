"""Training: our Trainer, and plain loops of torch that get perfect batches, in one process, in turn, epoch by epoch.

    python tools/bench/training.py [--device cpu|cuda] [--minutes 10] [--repeats 5] [--threads N] [--set KEY=VALUE]...
        [--peers same,padded,packed] [--peer-precision float32] [--memory-epochs 12] [--json FILE]

The corpus is noise: log-normal lengths like AN4's (3.2 s on average), as spectrograms at 16 kHz in an archive in a
temporary folder, texts of six characters a second. The experiment is the default one, but for what ``--set`` says.

- ours: everything that ``dstoolkit train`` does between two validations: reading the archive, normalising, augmenting,
  padding (each epoch begins with no batch prepared), moving average, clipping, metrics, the checks of health.
- same: the same model, and batches of the same size that lie ready, not augmented, sorted by length for the least
  padding; torch's CTC, ``AdamW(parameters)``, ``clip_grad_norm_``, ``loss.item()``.
- padded: that loop with a model of the same sizes from torch's layers: ``Conv1d``, ``BatchNorm1d``, ``Dropout``, and a
  bidirectional ``LSTM`` that hears the padding as if it were speech. For the encoder ``deepspeech`` with LSTMs only.
- packed: the same with packed sequences, which is how most write it.

With ``--set train.precision=bfloat16`` the plain loops are under autocast too, unless ``--peer-precision`` says
otherwise.

OpenMP and oneDNN are set as in ``dstoolkit train``, for all alike; ``OMP_WAIT_POLICY=active`` lets threads spin.

Speed is seconds of audio (before augmentation) per second, from the median epoch; the ratio is that of the medians, and
above 1 we are faster. ``cpu`` is the process's own time on all cores, which other work on the machine disturbs less.
``data wait`` is the share of our time spent waiting for batches. On a GPU ``busy`` is the share of an epoch of its own
in which a kernel or a copy ran, by torch.profiler, whose own cost counts against us.

``--memory-epochs`` then runs whole trainings of two minutes of audio, validation and checkpoints too, and gives what
the process holds after each epoch, and its growth per epoch over the second half.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import functools
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# As in cli/train.py; read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

import numpy as np
import torch
from common import commit, processor
from training_peers import PlainLoop, PlainModel

from dstoolkit.config import Choice, plain
from dstoolkit.data.archive_writer import ArchiveWriter
from dstoolkit.features.spectrogram import Spectrogram, SpectrogramConfig
from dstoolkit.pipeline import experiment as experiments
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.text.normalize import Normalization
from dstoolkit.training import setup
from dstoolkit.training.dataset import Batch
from dstoolkit.training.interruption import Interruption
from dstoolkit.training.loading import Plan, stream
from dstoolkit.training.monitor import read_metrics
from dstoolkit.training.step import DTYPES
from dstoolkit.training.totals import Totals
from dstoolkit.training.trainer import Trainer

RATE = 16000  # Hz
MEAN_SECONDS, SPREAD = 3.2, 0.5  # of an utterance; the standard deviation of the lengths' logarithm
SHORTEST, LONGEST = 0.8, 9.0  # s
LETTERS_PER_SECOND = 6
MEMORY_MINUTES = 2.0  # of audio

Times = list[tuple[float, float]]  # seconds of the clock, and of the processor


def main() -> None:
    arguments = options()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    device = torch.device(arguments.device)
    with tempfile.TemporaryDirectory() as folder:
        found = compare(Path(folder), arguments, device)
        if arguments.memory_epochs:
            found["memory"] = memory(Path(folder), arguments, device)
    found = {"commit": commit(), "machine": about(device), **found}
    print("\n".join(table(found)), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--minutes", type=float, default=10.0, help="of audio in an epoch")
    parser.add_argument("--repeats", type=int, default=5, help="epochs that count; one more comes before")
    parser.add_argument("--threads", type=int, help="of the CPU; torch's default otherwise")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an option of the experiment")
    parser.add_argument("--peers", default="same,padded,packed", help="which of them, if any")
    parser.add_argument("--peer-precision", choices=["float32", "bfloat16"], help="of the peers; ours otherwise")
    parser.add_argument("--memory-epochs", type=int, default=12, help="0: none")
    parser.add_argument("--json", type=Path, help="write the table here too")
    return parser.parse_args()


# The corpus


def corpus(folder: Path, minutes: float) -> setup.Sources:
    """Training data of so many minutes, a few validation utterances, and a tokenizer."""
    rng = np.random.default_rng(0)
    for name, length in (("train", 60 * minutes), ("dev", 30.0)):
        write(folder / name, length, rng)
    (folder / "tokenizer").mkdir()
    Vocabulary.train(Normalization(), Choice("characters"), []).save(folder / "tokenizer")
    return setup.Sources(folder / "train", folder / "dev", folder / "tokenizer")


def write(folder: Path, seconds: float, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    features = Spectrogram(SpectrogramConfig(), RATE)
    shift = features.config.frame_shift
    described = {"extractor": features.name, "config": plain(features.config), "sample_rate": RATE}
    texts: dict[str, str] = {}
    with ArchiveWriter(folder / "features.h5", **described, frame_shift=shift, dim=features.points) as archive:
        while seconds > 0:
            length = float(np.clip(rng.lognormal(np.log(MEAN_SECONDS) - SPREAD**2 / 2, SPREAD), SHORTEST, LONGEST))
            frames = rng.standard_normal((round(length / shift), features.points), dtype=np.float32)
            name = f"u{len(texts):05d}"
            texts[name] = "".join(rng.choice(list("etaoinshrdlu "), round(LETTERS_PER_SECOND * length)))
            archive.add(name, frames, "s", length)
            seconds -= length
    (folder / "text").write_text("".join(f"{name} {text}\n" for name, text in texts.items()))


# What takes turns


class Ours:
    """The trainer, an epoch at a time."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.metrics: list[dict[str, Any]] = []

    def epoch(self) -> None:
        trainer = self.trainer
        with Interruption() as interruption, self.batches() as batches:
            trainer.learn(batches, interruption)
        self.metrics.append(trainer.totals.metrics(trainer.parts.train.archive.frame_shift))
        trainer.run.epoch += 1
        trainer.taken, trainer.totals = 0, Totals()

    def batches(self) -> contextlib.AbstractContextManager[Iterator[Batch]]:
        """Of this epoch alone, so that none of them is prepared in another's turn."""
        trainer = self.trainer
        count = sum(len(trainer.order.cut(batch)) for batch in trainer.order.batches(trainer.run.epoch + 1))
        plans = itertools.islice(trainer.order.plans(trainer.run.epoch + 1, 0), count)
        return stream(trainer.parts.train, plans, trainer.options.workers, trainer.parts.device)


def perfect(trainer: Trainer) -> list[Batch]:
    """All utterances as they are, in batches of the trainer's size with the least padding, on the device."""
    device, train = trainer.parts.device, trainer.parts.train
    order = trainer.order
    plans = [Plan(part) for batch in train.plan(order.budget) for part in order.cut(batch)]
    with stream(train, plans, 0, device) as batches:
        return [batch.to(device) for batch in batches]


def compare(folder: Path, arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """The rows of the table, and what is known of ours alone."""
    settings = [f"train.epochs={arguments.repeats + 2}", "train.checkpoint_minutes=0", *arguments.set]
    experiment = experiments.load(None, settings)
    torch.manual_seed(experiment.seed)
    with silenced():
        parts = setup.build(experiment, corpus(folder / "corpus", arguments.minutes), device)
    (folder / "run").mkdir()
    ours = Ours(Trainer(parts, folder / "run"))
    dtype = DTYPES[arguments.peer_precision or ours.trainer.step.precision]
    peers = {name: PlainLoop(each, experiment.train, dtype) for name, each in models(parts, arguments.peers.split(","))}
    times = take_turns(ours, peers, arguments.repeats, device)
    seconds = float(parts.train.lengths.sum()) * parts.train.archive.frame_shift
    found = {
        "settings": arguments.set,
        "precision": {"ours": ours.trainer.step.precision, "peers": str(dtype).removeprefix("torch.")},
        "minutes": seconds / 60,
        "steps": len(ours.trainer.order.batches(2)),
        "repeats": arguments.repeats,
        "threads": torch.get_num_threads(),
        "rows": [row(name, each, times["ours"], seconds) for name, each in times.items()],
        "data_wait": statistics.median(each["data_wait"] for each in ours.metrics[1:]),
        "padding": statistics.median(each["padding"] for each in ours.metrics[1:]),
    }
    return {**found, "busy": busy(ours)} if device.type == "cuda" else found


def take_turns(ours: Ours, peers: dict[str, PlainLoop], repeats: int, device: torch.device) -> dict[str, Times]:
    """The epochs of each; the first of each, which compiles and fills caches, is not kept."""
    times: dict[str, Times] = {"ours": [], **{name: [] for name in peers}}
    batches = perfect(ours.trainer)
    for _ in range(repeats + 1):
        for name, peer in peers.items():
            times[name].append(timed(functools.partial(peer.epoch, batches), device))
        times["ours"].append(timed(ours.epoch, device))
    return {name: each[1:] for name, each in times.items()}


def models(parts: setup.Parts, wanted: list[str]) -> Iterator[tuple[str, torch.nn.Module]]:
    """The peers' models, on the device."""
    if "same" in wanted:
        yield "same", copy.deepcopy(parts.model).to(parts.device)
    config = parts.model.encoder.config
    for name in ("padded", "packed"):
        if name in wanted and parts.experiment.encoder.name == "deepspeech" and config.rnn == "lstm":
            model = PlainModel(config, parts.train.archive.dim, parts.model.dense.out_features, name == "packed")
            yield name, model.to(parts.device)


def timed(run: Callable[[], object], device: torch.device) -> tuple[float, float]:
    start, start_cpu = time.perf_counter(), time.process_time()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, time.process_time() - start_cpu


def row(name: str, times: Times, ours: Times, seconds: float) -> dict[str, Any]:
    clock, cpu = (statistics.median(each) for each in zip(*times, strict=True))
    our_clock, our_cpu = (statistics.median(each) for each in zip(*ours, strict=True))
    return {
        "name": name,
        "s": clock,
        "best_s": min(each for each, _ in times),
        "cpu_s": cpu,
        "speed": seconds / clock,
        "best_speed": seconds / min(each for each, _ in times),
        "ratio": clock / our_clock,
        "best_ratio": min(each for each, _ in times) / min(each for each, _ in ours),
        "cpu_ratio": cpu / our_cpu,
    }


# The GPU, and memory


def busy(ours: Ours) -> float:
    """The share of one more epoch during which the GPU did something."""
    from torch.autograd import DeviceType
    from torch.profiler import ProfilerActivity, profile

    start = time.perf_counter()
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        ours.epoch()
        torch.cuda.synchronize()
        took = time.perf_counter() - start
    spans = [each.time_range for each in profiler.events() if each.device_type == DeviceType.CUDA]
    return covered([(each.start, each.end) for each in spans]) / 1e6 / took  # microseconds


def covered(spans: list[tuple[float, float]]) -> float:
    """The length of the union of these spans."""
    total, end = 0.0, float("-inf")
    for first, last in sorted(spans):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total


def memory(folder: Path, arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """MB after each epoch of a whole training, and the slope of the second half in MB an epoch."""
    experiment = experiments.load(None, [f"train.epochs={arguments.memory_epochs}", "train.show=0", *arguments.set])
    sources = corpus(folder / "small", MEMORY_MINUTES)
    with silenced():
        setup.train(folder / "memory", experiment, sources, str(device))
    held = [each["memory_mb"] for each in read_metrics(folder / "memory" / "metrics.jsonl")]
    later = held[len(held) // 2 :]
    slope = float(np.polyfit(range(len(later)), later, 1)[0]) if len(later) > 1 else 0.0
    return {"mb": held, "mb_per_epoch": slope}


@contextmanager
def silenced() -> Iterator[None]:
    """The trainer tells of each epoch."""
    with open("/dev/null", "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


# What is shown


def table(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['machine']}, {found['threads']} threads, commit {found['commit']}, median of {found['repeats']}"
    yield f"{found['minutes']:.1f} minutes of audio in {found['steps']} steps  {' '.join(found['settings'])}".rstrip()
    yield f"precision: ours {found['precision']['ours']}, peers {found['precision']['peers']}"
    yield f"{'':8} {'s/epoch':>8} {'best':>8} {'cpu':>8} {'audio s/s':>10} {'ratio':>7} {'of best':>8} {'of cpu':>7}"
    for each in found["rows"]:
        yield (
            f"{each['name']:8} {each['s']:8.2f} {each['best_s']:8.2f} {each['cpu_s']:8.2f} {each['speed']:10.1f} "
            f"{each['ratio']:7.2f} {each['best_ratio']:8.2f} {each['cpu_ratio']:7.2f}"
        )
    yield f"ours: data wait {100 * found['data_wait']:.2f} %, padding {100 * found['padding']:.1f} %"
    if "busy" in found:
        yield f"ours: GPU busy {100 * found['busy']:.1f} %"
    if "memory" in found:
        held = " ".join(f"{each:.0f}" for each in found["memory"]["mb"])
        yield f"memory after each epoch, MB: {held}; growth {found['memory']['mb_per_epoch']:+.2f} MB an epoch"


def about(device: torch.device) -> str:
    name = torch.cuda.get_device_name() if device.type == "cuda" else processor()
    return f"{name}, torch {torch.__version__}"


if __name__ == "__main__":
    main()
