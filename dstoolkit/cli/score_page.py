"""The options of ``score`` that are about the sound in ``report.html``, and the making of that page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dstoolkit.cli.text_options import EXISTING

if TYPE_CHECKING:
    from dstoolkit.scoring.wer import Report

F = TypeVar("F", bound=Callable[..., Any])

PAGE_FILE = "report.html"
UTTERANCES = 50  # with sound; at four seconds each some 1.5 MB of page

OPTIONS = (
    click.option(
        "--audio",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Data directory with the sound, for report.html to play.",
    ),
    click.option("--ctm", type=EXISTING, help="Times of the hypotheses' words.  [default: nbest.jsonl beside --hyp]"),
    click.option(
        "--audio-utterances",
        type=click.IntRange(min=1),
        metavar="N",
        help=f"Sound for the N utterances with the most errors.  [default: {UTTERANCES}]",
    ),
)


def page_options(command: F) -> F:
    """Adds the options; the command takes ``audio, ctm, audio_utterances``, from which ``SoundSources.choose`` makes
    one thing."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class SoundSources:
    """The data directory with the sound, the file with the times of words, and how many utterances are to sound."""

    folder: Path
    times: Path | None
    utterances: int

    @classmethod
    def choose(cls, hyp: Path, audio: Path | None, ctm: Path | None, utterances: int | None) -> SoundSources | None:
        """None without ``--audio``, where the other options have no use: ConfigError."""
        from dstoolkit.errors import ConfigError, Faults

        if audio is not None:
            nbest = hyp.with_name("nbest.jsonl")
            return cls(audio, ctm or (nbest if nbest.exists() else None), utterances or UTTERANCES)
        given = {"--ctm": ctm, "--audio-utterances": utterances}
        Faults.check(
            ConfigError(name, "no sound to use it with", "", "give --audio too")
            for name, value in given.items()
            if value is not None
        )
        return None

    def inputs(self) -> dict[str, Path | None]:
        """For a stamp: the files that name the sound, not the sound itself."""
        named = {f"--audio {name}": self.folder / name for name in ("wav.scp", "segments")}
        return {name: path for name, path in {**named, "word times": self.times}.items() if path and path.exists()}


def page(report: Report, ref: Path, hyp: Path, note: str, sound: SoundSources | None) -> str:
    """``report.html``. Raises DataError or Faults for sound that cannot be used."""
    from dstoolkit.scoring import html

    sources = [("reference", str(ref)), ("hypothesis", str(hyp))]
    if sound is None:
        return html.page(report, note=note, title=_title(hyp), sources=sources)
    from dstoolkit.pipeline import report_audio

    found = report_audio.gather(report, sound.folder, sound.utterances, sound.times)
    sources.append(("audio", str(sound.folder)))
    return html.page(report, note=note, audio=found.clips, audio_note=found.note, title=_title(hyp), sources=sources)


def _title(hyp: Path) -> str:
    """What tells one report from another among several tabs: the folders of the hypotheses, ``first/decode_test``."""
    return "/".join(hyp.absolute().parent.parts[-2:]).lstrip("/") or hyp.name
