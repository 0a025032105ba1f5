"""``hooks``: what is shown, written or sent when an epoch, a validation, a test or an evaluation is done.

Of ``train`` they hear of its beginning, of each epoch's figures and of the end; of ``validate``, ``test`` and
``evaluate`` they get the predictions. Kur's hooks change what the next one gets; here each gets the same.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import click

from dstoolkit import config, stamp
from dstoolkit_kur import slack
from dstoolkit_kur.node import Node
from dstoolkit_kur.weights import located

Rows = Mapping[str, tuple[str | None, str]]  # utterance -> truth (None: not known), prediction; in the order heard
History = Sequence[Mapping[str, Any]]  # the lines of metrics.jsonl, an epoch each


class Hook:
    """Does nothing; a hook overrides what it answers to."""

    def started(self) -> None:
        """Of ``train``: before the first step."""

    def epoch(self, history: History, epochs: int) -> None:
        """Of ``train``: after one of so many epochs, 0 for no number; ``history`` is not empty."""

    def validated(self) -> None:
        """Of ``train``: after a validation within an epoch."""

    def ended(self, history: History) -> None:
        """Of ``train``: after the last."""

    def predicted(self, rows: Rows) -> None:
        """Of ``validate``, ``test`` and ``evaluate``."""


def first(rows: Rows) -> str:
    """Prediction and truth of the first utterance, as Kur prints them."""
    truth, prediction = next(iter(rows.values()))
    return f'Prediction: "{prediction}"\nTruth: ' + ("not known" if truth is None else f'"{truth}"')


@dataclass(frozen=True)
class TranscriptOptions:
    """warp: of Kur's loss variant; changes nothing here."""

    warp: bool = False


class Transcript(Hook):
    """Prints the first utterance's prediction and truth."""

    def __init__(self, options: TranscriptOptions, node: Node) -> None:
        pass

    def predicted(self, rows: Rows) -> None:
        if rows:
            click.echo(first(rows))


@dataclass(frozen=True)
class TextOptions:
    """None."""


class Text(Hook):
    """Prints the same with the utterance's id."""

    def __init__(self, options: TextOptions, node: Node) -> None:
        pass

    def predicted(self, rows: Rows) -> None:
        if rows:
            click.echo(f"Input: {next(iter(rows))}\n{first(rows)}")


@dataclass(frozen=True)
class OutputOptions:
    """path: of the file. format: ``pickle``, or ``json``; None: json for a name that ends so."""

    path: str = ""
    format: Literal["pkl", "pickle", "json"] | None = None

    def __post_init__(self) -> None:
        if not self.path:
            raise ValueError("no path; expected the file to write")


class Output(Hook):
    """Writes all predictions: a list of ``{"utterance", "prediction", "truth"}``."""

    def __init__(self, options: OutputOptions, node: Node) -> None:
        self.path = located(options.path, node)
        suffix = "json" if self.path.suffix == ".json" else "pickle"
        self.json = (options.format or suffix) == "json"

    def predicted(self, rows: Rows) -> None:
        found = [
            {"utterance": name, "prediction": prediction, "truth": truth} for name, (truth, prediction) in rows.items()
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = (json.dumps(found, ensure_ascii=False, indent=1) + "\n").encode()
        stamp.write_bytes(self.path, text if self.json else pickle.dumps(found))


@dataclass(frozen=True)
class PlotOptions:
    """Paths of drawings: of the losses by batch and by time, and of the batches per second; None: not drawn."""

    loss_per_batch: str | None = None
    loss_per_time: str | None = None
    throughput_per_time: str | None = None

    def __post_init__(self) -> None:
        if not any((self.loss_per_batch, self.loss_per_time, self.throughput_per_time)):
            raise ValueError("nothing to draw; expected loss_per_batch, loss_per_time or throughput_per_time")


class Plot(Hook):
    """Draws the losses of all epochs."""

    def __init__(self, options: PlotOptions, node: Node) -> None:
        said = {key: each for key, each in config.plain(options).items() if each}
        self.paths: dict[str, Path] = {key: located(each, node) for key, each in said.items()}

    def epoch(self, history: History, epochs: int) -> None:
        from dstoolkit_kur import plots

        for kind, path in self.paths.items():
            plots.draw(kind, history, path)


class Slack(Hook):
    """Posts messages, and sends files where there is a token: the first utterance's audio, and ``extra_files``.

    ``data``: the data directory whose utterances are predicted.
    """

    def __init__(self, options: slack.Slack, node: Node) -> None:
        self.options = options
        self.files = [located(each, node) for each in options.files]
        self.data: Path | None = None

    def started(self) -> None:
        slack.post(self.options, "Started training.")

    def epoch(self, history: History, epochs: int) -> None:
        last = history[-1]
        figures = ", ".join(f"{key} = {last.get(key)}" for key in ("train_loss", "dev_loss", "dev_wer", "dev_cer"))
        of = f" of {epochs}" if epochs else ""
        slack.post(self.options, f"Finished epoch {last['epoch']}{of}. More information: {figures}")
        self.extra_files()

    def validated(self) -> None:
        self.extra_files()

    def ended(self, history: History) -> None:
        slack.post(self.options, "Training has ended.")

    def predicted(self, rows: Rows) -> None:
        if rows:
            name, (truth, prediction) = next(iter(rows.items()))
            text = f'Truth = "{truth}", Prediction = "{prediction}"'
            if self.options.token and self.data:
                slack.upload(self.options, audio_of(name, self.data), text)
            else:
                slack.post(self.options, text)
        self.extra_files()

    def extra_files(self) -> None:
        for each in self.files:
            slack.upload(self.options, each)


def audio_of(utterance: str, data: Path) -> Path:
    """The recording of an utterance of a data directory that the supplier made."""
    from dstoolkit.data.datadir import DataDir

    return next(Path(each.path) for each in DataDir.read(data).utterances if each.id == utterance)


@dataclass(frozen=True)
class Kind:
    hook: Any
    options: type
    main: str = ""  # the option that a bare value stands for
    sections: tuple[str, ...] = field(default=("validate", "test", "evaluate"))


KINDS = {
    "transcript": Kind(Transcript, TranscriptOptions),
    "text": Kind(Text, TextOptions),
    "output": Kind(Output, OutputOptions, "path"),
    "plot": Kind(Plot, PlotOptions, "loss_per_batch", ("train",)),
    "slack": Kind(Slack, slack.Slack, "", ("train", "validate", "test", "evaluate")),
}


def read(section: Node | None, name: str, data: Path | None = None) -> list[Hook]:
    """The hooks of a section, ``name``, whose data directory is ``data``.

    Raises ConfigError, Faults, with file and line.
    """
    node = section.get("hooks") if section is not None else None
    if node is None or node.content is None:
        return []
    if not isinstance(node.content, list):
        raise node.fault(repr(node.value), "expected a list of hooks")
    made = [one(each, name) for each in node]
    for each in made:
        if isinstance(each, Slack):
            each.data = data
    return made


def one(node: Node, section: str) -> Hook:
    """``transcript``, or ``{output: {path: ...}}``."""
    word, options = node.content, Node({}, node.mark, node.path)
    if isinstance(word, dict) and len(word) == 1:
        word, options = next(iter(word.items()))
    if not isinstance(word, str):
        raise node.fault(repr(node.value), "expected a hook's name, or one with its options below")
    known = [each for each, kind in KINDS.items() if section in kind.sections]
    if word not in known:
        where = f"expected in: {', '.join(KINDS[word].sections)}" if word in KINDS else config.nearest(word, known)
        raise node.fault(f"no hook '{word}' of '{section}'", where)
    made: Hook = KINDS[word].hook(built(options, KINDS[word]), node)
    return made


def built(options: Node, kind: Kind) -> Any:
    if kind.main and isinstance(options.content, str):
        options = Node({kind.main: options}, options.mark, options.path)
    if options.content is not None and not isinstance(options.content, dict):
        raise options.fault(repr(options.value), "expected options in lines")
    return options.build(kind.options)


def destination(section: Node) -> list[Hook]:
    """``evaluate.destination``: an ``output`` that comes last."""
    node = section.get("destination")
    if node is None or node.content is None:
        return []
    return [Output(built(node, KINDS["output"]), node)]
