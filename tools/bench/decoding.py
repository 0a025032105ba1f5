"""CTC beam search on one core: our decoder ``beam`` and three others on the same log-probabilities, in one process.

    pip install --no-deps --target PEERS -r tools/bench/requirements-decoding.txt
    PYTHONPATH=PEERS python tools/bench/decoding.py [--lm ARPA] [--exp EXP --data DATA] [--json FILE]

Without options: noisy outputs, as of an untrained network, ``--utterances`` of them with ``--frames`` frames of 29
tokens (the blank and our 28 characters); logits are independent and normal, their standard deviation ``--scale``. With
``--lm``, a word model, the same with it: ``lm`` lets unknown words through for a price, ``lexicon`` only words of the
model. Each ``full`` (the beam alone decides) and ``pruned`` (as ``decoding_peers.Settings`` says). The decoders take
turns, one utterance a call.

- ms: per utterance, the mean over utterances of the median over repeats; best: of the least. ratio: theirs over ours.
- tokens, words: exact log-probabilities (nats) of the texts found, the mean, as ``decoding_oracle`` defines them.
- score: what makes a text the better one: its words' log-probability, with a model also what the model adds. won,
  lost: the share of utterances where our text has more or less of it than theirs.

With ``--exp`` and ``--data``, a trained model and a data directory with its features: the error rate and the time on
real outputs for each width of ``--beams``. ``--outputs`` keeps these outputs in a file.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"))

import numpy as np
from common import commit, processor
from decoding_oracle import language, of_tokens, of_words
from decoding_peers import PEERS, Decode, Settings, arpa_words, make, missing

from dstoolkit.interfaces import Tokenizer
from dstoolkit.scoring.wer import score
from dstoolkit.text.characters import KUR, Characters

Rows = list[dict[str, Any]]
Texts = dict[str, list[str]]  # by decoder
OURS = "dstoolkit"
MODELS, PRUNING = ["none", "lm", "lexicon"], ["full", "pruned"]
WIDTHS = [1, 2, 5, 10, 25, 50, 100, 250, 500]


def main() -> None:
    reader = parser()
    arguments = reader.parse_args()
    if bool(arguments.exp) != bool(arguments.data):
        reader.error("--exp and --data go together")
    if absent := missing(arguments.peers):
        print(f"not installed, left out: {', '.join(absent)}")
    names = [OURS, *(name for name in arguments.peers if name not in absent)]
    about = {"commit": commit(), "machine": processor(), "threads": 1}
    print(f"{about['machine']}, one thread, commit {about['commit']}")
    with tempfile.TemporaryDirectory() as folder:
        cases = list(settings(arguments, Path(folder)))
        noisy = [row for case in cases for row in noise_table(case, names, arguments)] if arguments.utterances else []
        spoken = speech_tables(cases, names, arguments) if arguments.exp else []
    if arguments.json:
        options = {key: str(value) if isinstance(value, Path) else value for key, value in vars(arguments).items()}
        record = {**about, "options": options, "unit": "ms", "noise": noisy, "speech": spoken}
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, values in {"--peers": list(PEERS), "--models": MODELS, "--pruning": PRUNING}.items():
        made.add_argument(option, type=some_of(values), default=values, help=f"some of {','.join(values)}")
    made.add_argument("--beam", type=int, default=100)
    made.add_argument("--repeats", type=int, default=5)
    made.add_argument("--utterances", type=int, default=4, help="of noise; 0 for none")
    made.add_argument("--frames", type=int, default=400)
    made.add_argument("--scale", type=float, default=1.0)
    made.add_argument("--lm", type=Path, help="an ARPA file of words")
    made.add_argument("--alpha", type=float, default=Settings.alpha)
    made.add_argument("--beta", type=float, default=Settings.beta)
    made.add_argument("--unknown", type=float, default=Settings.unknown, help="for each unknown word, in nats")
    made.add_argument("--exp", type=Path, help="a training's folder, its tokens characters")
    made.add_argument("--data", type=Path, help="a data directory with features.h5")
    made.add_argument("--outputs", type=Path, help="keep the network's outputs here")
    made.add_argument("--beams", type=lambda text: list(map(int, text.split(","))), default=WIDTHS)
    made.add_argument("--json", type=Path, help="write the tables here too")
    return made


def some_of(values: Sequence[str]) -> Callable[[str], list[str]]:
    """Reads some of ``values`` with commas between them; nothing is none."""

    def read(text: str) -> list[str]:
        chosen = [each for each in text.split(",") if each]
        if strange := [each for each in chosen if each not in values]:
            raise argparse.ArgumentTypeError(f"{strange[0]!r}; expected some of {','.join(values)}")
        return chosen

    return read


def settings(arguments: argparse.Namespace, folder: Path) -> Iterator[tuple[str, Settings]]:
    """The cases, each with a name such as 'lm, pruned'; the lexicon is written into ``folder``."""
    weights = {"alpha": arguments.alpha, "beta": arguments.beta, "unknown": arguments.unknown}
    for model in arguments.models if arguments.lm else ["none"]:
        made = Settings(arguments.beam, lm=arguments.lm if model != "none" else None, **weights)
        if model == "lexicon":
            words = folder / "words.txt"
            words.write_text("".join(f"{word}\n" for word in arpa_words(arguments.lm)), encoding="utf-8")
            made = replace(made, lexicon=words)
        for pruning in arguments.pruning:
            yield f"{model}, {pruning}", replace(made, pruned=pruning == "pruned")


def noise_table(case: tuple[str, Settings], names: Sequence[str], arguments: argparse.Namespace) -> Rows:
    name, chosen = case
    tokenizer = Characters(KUR)
    outputs = noise(arguments.utterances, arguments.frames, len(tokenizer.tokens), arguments.scale)
    rows, _ = compare(chosen, names, outputs, tokenizer, arguments.repeats)
    size = f"{len(outputs)} x {arguments.frames} frames, beam {chosen.beam}, {arguments.repeats} repeats"
    print(f"\nnoise, {name}: {size}")
    heads = ("ms", "best", "ratio", "tokens", "words", "score", "won", "lost")
    print(" " * 18 + "".join(f"{head:>10}" for head in heads))
    for row in rows:
        cells = [f"{row[key]:10.1f}" for key in ("ms", "best_ms")]
        cells += [f"{row[key]:10.2f}" for key in ("ratio", "tokens", "words", "score", "won", "lost")]
        print(f"{row['decoder']:18}" + "".join(cells), flush=True)
    return [{"case": name, "beam": chosen.beam, **row} for row in rows]


def noise(utterances: int, frames: int, vocab: int, scale: float) -> list[np.ndarray]:
    logits = np.random.default_rng(0).standard_normal((utterances, frames, vocab)) * scale
    return list((logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)).astype(np.float32))


def speech_tables(cases: Sequence[tuple[str, Settings]], names: Sequence[str], arguments: argparse.Namespace) -> Rows:
    outputs, references, tokenizer = speech(arguments.exp, arguments.data, arguments.outputs)
    frames = statistics.mean(map(len, outputs.values()))
    found: Rows = []
    for name, chosen in cases:
        print(f"\nspeech, {name}: {len(outputs)} utterances of {frames:.0f} frames; WER in %, score, ms an utterance")
        for width in arguments.beams:
            rows, texts = compare(replace(chosen, beam=width), names, list(outputs.values()), tokenizer, 1)
            for row in rows:
                hypotheses = dict(zip(outputs, texts[row["decoder"]], strict=True))
                row["wer"] = 100 * score(references, hypotheses).wer.rate
            if width == arguments.beams[0]:
                print("beam" + "".join(f"{row['decoder']:>32}" for row in rows))
            cells = [f"{row['wer']:14.2f} {row['score']:9.3f} {row['ms']:7.2f}" for row in rows]
            print(f"{width:4}" + "".join(cells), flush=True)
            found += [{"case": name, "beam": width, **row} for row in rows]
    return found


def speech(exp: Path, data: Path, path: Path | None) -> tuple[dict[str, np.ndarray], dict[str, str], Tokenizer]:
    """Log-probabilities by utterance, their normalised references, and the tokenizer. Those too short are left out."""
    from dstoolkit.data.datadir import read_text
    from dstoolkit.pipeline.outputs import Computed, Saved, Source, keep

    source = Source(exp, data)
    if path:
        keep(source, path)
    outputs = Saved(source, path) if path else Computed(source)
    tokenizer = outputs.vocabulary.tokenizer
    if any(len(each) != 1 for each in tokenizer.tokens[1:]) or " " not in tokenizer.tokens:
        raise SystemExit(f"{exp}: its tokens are not characters; expected a model of characters with the space")
    found: dict[str, np.ndarray] = {}
    for batch in outputs.batches():
        rows, lengths = outputs.log_probs(batch)
        for at, row, length in zip(batch.tolist(), rows.numpy(), lengths.tolist(), strict=True):
            if length:
                found[outputs.archive.utterance_ids[at]] = np.ascontiguousarray(row[:length])
    texts = read_text(data / "text")
    return found, {each: outputs.vocabulary.normalize(texts[each]) for each in found}, tokenizer


def compare(
    chosen: Settings, names: Sequence[str], outputs: Sequence[np.ndarray], tokenizer: Tokenizer, repeats: int
) -> tuple[Rows, Texts]:
    """A row a decoder that can do it, ours first: its times and how good its texts are; and the texts."""
    made = {name: make(name, chosen, tokenizer) for name in names}
    decoders = {name: decode for name, decode in made.items() if decode is not None}
    times, texts = take_turns(decoders, outputs, repeats)
    median = {name: float(np.median(each, axis=0).mean()) for name, each in times.items()}
    best = {name: float(each.min(axis=0).mean()) for name, each in times.items()}
    rated = {name: rate(each, outputs, tokenizer, chosen) for name, each in texts.items()}
    rows = [
        {
            "decoder": name,
            "ms": median[name],
            "best_ms": best[name],
            "ratio": median[name] / median[OURS],
            **{key: float(each.mean()) for key, each in rated[name].items()},
            "won": float((rated[OURS]["score"] > rated[name]["score"]).mean()),
            "lost": float((rated[OURS]["score"] < rated[name]["score"]).mean()),
        }
        for name in decoders
    ]
    return rows, texts


def take_turns(
    decoders: Mapping[str, Decode], outputs: Sequence[np.ndarray], repeats: int
) -> tuple[dict[str, np.ndarray], Texts]:
    """By decoder: milliseconds ``(repeats, utterances)``, and texts."""
    times = {name: np.zeros((repeats, len(outputs))) for name in decoders}
    texts = {name: [""] * len(outputs) for name in decoders}
    for decode in decoders.values():
        decode(outputs[0])  # compiled, loaded, warm
    for repeat in range(repeats):
        for name, decode in decoders.items():
            for at, each in enumerate(outputs):
                start = time.perf_counter()
                texts[name][at] = decode(each)
                times[name][repeat, at] = 1e3 * (time.perf_counter() - start)
    return times, texts


def rate(
    texts: Sequence[str], outputs: Sequence[np.ndarray], tokenizer: Tokenizer, chosen: Settings
) -> dict[str, np.ndarray]:
    """Of each text: its tokens' and its words' log-probability, and its score."""
    pairs = list(zip(texts, outputs, strict=True))
    tokens = np.array([of_tokens(each, tokenizer.encode(text)) for text, each in pairs])
    words = np.array([of_words(each, text.split(), tokenizer) for text, each in pairs])
    if chosen.lm is None:
        return {"tokens": tokens, "words": words, "score": words}
    added = language(chosen.lm, chosen.alpha, chosen.beta, chosen.unknown)
    return {"tokens": tokens, "words": words, "score": words + np.array([added(text.split()) for text in texts])}


if __name__ == "__main__":
    main()
