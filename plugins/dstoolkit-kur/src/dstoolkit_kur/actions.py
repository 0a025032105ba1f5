"""``dstoolkit test`` and ``dstoolkit evaluate``: a Kurfile's trained network on its other data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dstoolkit.interfaces import Command

FILE = click.Path(path_type=Path)


class TestCommand(Command):
    name = "test"
    help = "Test what a Kurfile trained on its section 'test'."

    @staticmethod
    def click_command() -> click.Command:
        return test


class EvaluateCommand(Command):
    name = "evaluate"
    help = "Transcribe a Kurfile's section 'evaluate'."

    @staticmethod
    def click_command() -> click.Command:
        return evaluate


def options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What both take."""
    for add in reversed(
        (
            click.argument("file", type=FILE),
            click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a value of FILE."),
            click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps."),
            click.option("--force", is_flag=True, help="Do it anew, whatever is there."),
        )
    ):
        function = add(function)
    return function


@click.command("test")
@options
def test(file: Path, overrides: tuple[str, ...], device: str, force: bool) -> None:
    """Transcribe the data of the section 'test', and score the transcripts: WER and CER with intervals.

    Loads the weights that the section names, else the best of 'dstoolkit train FILE'. Writes text, nbest.jsonl, ctm,
    wer.txt and wer.json into exp/STEM/test beside FILE. What is there already is not made again.

    \b
      dstoolkit train speech.yml
      dstoolkit test speech.yml
    """
    from dstoolkit_kur import using

    using.use(file, "test", overrides, device, force)


@click.command("evaluate")
@options
def evaluate(file: Path, overrides: tuple[str, ...], device: str, force: bool) -> None:
    """Transcribe the data of the section 'evaluate', and write the predictions to its 'destination'.

    As 'test', into exp/STEM/evaluate.

    \b
      dstoolkit evaluate speech.yml
    """
    from dstoolkit_kur import using

    using.use(file, "evaluate", overrides, device, force)
