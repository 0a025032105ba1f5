"""Alignments on one core: our two definitions, jiwer, sclite and editdistance on the same texts, in one run, in turn.

    pip install --no-deps --target PEERS -r tools/bench/requirements-scoring.txt
    PYTHONPATH=PEERS python tools/bench/scoring.py [--utterances 20000] [--words 20] [--repeats 7] [--json FILE]

References are drawn from 5,000 words (the frequency of word n falls as 1 / n); of a hypothesis about one word in seven
is wrong. All start from strings. ``alignments`` gives counts and steps of words, as jiwer and sclite do; ``score`` also
the characters' counts and all objects of a report; editdistance gives a number only. sclite is a program: reading its
two files is in its time, as is writing its alignments. Medians; a ratio above 1 says that we (``alignments``,
levenshtein) are faster. ``errors`` shows whether they agree.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"))

from common import commit, processor

from dstoolkit.scoring import trn
from dstoolkit.scoring.align import Mode, alignments
from dstoolkit.scoring.wer import score

VOCABULARY = 5000
OURS = "dstoolkit, levenshtein"
Texts = list[str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=20_000)
    parser.add_argument("--words", type=int, default=20, help="in each reference")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the table here too")
    arguments = parser.parse_args()
    references, hypotheses = texts(arguments.utterances, arguments.words)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(runs(references, hypotheses, Path(folder)), arguments.repeats)
    about = {"commit": commit(), "machine": processor(), "threads": 1, "repeats": arguments.repeats}
    about |= {"utterances": arguments.utterances, "words": arguments.words}
    print(f"{about['machine']}, one thread, commit {about['commit']}, median of {arguments.repeats}")
    print(f"{arguments.utterances} utterances of {arguments.words} words")
    print(f"{'':36} {'s':>7} {'best':>7} {'ratio':>7} {'errors':>8}")
    for row in rows:
        print(f"{row['name']:36} {row['s']:7.3f} {row['best_s']:7.3f} {row['ratio']:7.1f} {row['errors']:8}")
    if arguments.json:
        arguments.json.write_text(json.dumps({**about, "unit": "s", "rows": rows}, indent=1) + "\n")


def texts(utterances: int, length: int) -> tuple[Texts, Texts]:
    """References and hypotheses, the same each time."""
    generator = random.Random(0)
    words = ["".join(generator.choices("etaoinshrdlucmfw", k=generator.randrange(1, 10))) for _ in range(VOCABULARY)]
    weights = [1 / rank for rank in range(1, VOCABULARY + 1)]
    said = [generator.choices(words, weights, k=length) for _ in range(utterances)]
    heard = [" ".join(misheard(each, words, generator)) for each in said]
    return [" ".join(each) for each in said], heard


def misheard(said: Iterable[str], words: Texts, generator: random.Random) -> Iterable[str]:
    for word in said:
        draw = generator.random()
        if draw >= 0.03:  # else deleted
            yield generator.choice(words) if draw < 0.11 else word
        if draw > 0.97:
            yield generator.choice(words)


def runs(references: Texts, hypotheses: Texts, folder: Path) -> dict[str, Callable[[], int]]:
    """What is timed, by name; each returns the number of errors that it finds."""
    by_id = [{f"s-{at}": text for at, text in enumerate(side)} for side in (references, hypotheses)]
    found: dict[str, Callable[[], int]] = {
        OURS: lambda: aligned(references, hypotheses, "levenshtein"),
        "dstoolkit, sclite": lambda: aligned(references, hypotheses, "sclite"),
        "dstoolkit, score": lambda: score(*by_id).wer.errors,
    }
    if find_spec("editdistance"):
        found["editdistance (number only)"] = lambda: distances(references, hypotheses)
    if find_spec("jiwer"):
        found["jiwer"] = lambda: by_jiwer(references, hypotheses)
    if program := shutil.which("sclite") or shutil.which("/usr/lib/sctk/bin/sclite"):
        for name, side in zip(("ref", "hyp"), by_id, strict=True):
            (folder / f"{name}.trn").write_text(trn.lines((key, [text]) for key, text in side.items()))
        found["sclite"] = lambda: by_sclite(program, folder)
    return found


def aligned(references: Texts, hypotheses: Texts, mode: Mode) -> int:
    refs, hyps = ([each.split() for each in side] for side in (references, hypotheses))
    return int(alignments(refs, hyps, mode).counts.sum())


def distances(references: Texts, hypotheses: Texts) -> int:
    distance = import_module("editdistance").eval
    return sum(distance(a.split(), b.split()) for a, b in zip(references, hypotheses, strict=True))


def by_jiwer(references: Texts, hypotheses: Texts) -> int:
    found = import_module("jiwer").process_words(references, hypotheses)
    return int(found.substitutions + found.deletions + found.insertions)


def by_sclite(program: str, folder: Path) -> int:
    files = ["-r", folder / "ref.trn", "trn", "-h", folder / "hyp.trn", "trn"]
    options = ["-i", "rm", "-o", "sgml", "-O", folder, "-n", "out", "-f", "0"]
    subprocess.run([str(each) for each in (program, *files, *options)], check=True, capture_output=True)
    lines = (line for line in (folder / "out.sgml").read_text().splitlines() if not line.startswith("<"))
    return sum(line.count(f"{kind},") for line in lines for kind in "SDI")  # the words have small letters


def measure(timed: dict[str, Callable[[], int]], repeats: int) -> list[dict[str, Any]]:
    """Seconds; all take turns, so that a busy machine slows all. The first turn, which compiles, is not counted."""
    times: dict[str, list[float]] = {name: [] for name in timed}
    errors: dict[str, int] = {}
    for _ in range(repeats + 1):
        for name, run in timed.items():
            start = time.perf_counter()
            errors[name] = run()
            times[name].append(time.perf_counter() - start)
    median = {name: statistics.median(each[1:]) for name, each in times.items()}
    return [
        {
            "name": name,
            "s": median[name],
            "best_s": min(each[1:]),
            "first_s": each[0],
            "ratio": median[name] / median[OURS],
            "errors": errors[name],
        }
        for name, each in times.items()
    ]


if __name__ == "__main__":
    main()
