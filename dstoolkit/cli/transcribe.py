"""``dstoolkit transcribe``: a trained recogniser and audio files in; text, JSON, subtitles or CTM out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstoolkit.cli.decode_common import decoder_options
from dstoolkit.cli.features import channel
from dstoolkit.interfaces import Command

if TYPE_CHECKING:
    from dstoolkit.config import Choice
    from dstoolkit.data.audio import AudioInfo
    from dstoolkit.errors import DstoolkitError
    from dstoolkit.pipeline.recognition import Recogniser
    from dstoolkit.pipeline.transcriber import Transcriber
    from dstoolkit.pipeline.transcript_files import Destination


class TranscribeCommand(Command):
    name = "transcribe"
    help = "Turn audio files into text, subtitles or timed words."

    @staticmethod
    def click_command() -> click.Command:
        return transcribe


@click.command("transcribe")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("recordings", metavar="AUDIO...", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    default="text",
    type=click.Choice(["text", "json", "srt", "ctm"]),
    show_default=True,
    help="What to write of each file.",
)
@click.option("--segments", is_flag=True, help="Of text: a line for each segment, with its times in seconds.")
@click.option("--out", metavar="FILE|FOLDER/", help="Where to write, in place of standard output.")
@click.option("--channel", callback=channel, default="mix", metavar="N|mix", show_default=True, help="From 0, or mean.")
@click.option("--chunk", type=float, default=20.0, show_default=True, help="Seconds that the network hears at once.")
@click.option("--overlap", type=float, default=2.0, show_default=True, help="Of them, at each end, not used.")
@decoder_options
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def transcribe(
    model: Path,
    recordings: tuple[str, ...],
    form: str,
    segments: bool,
    out: str | None,
    channel: Any,
    chunk: float,
    overlap: float,
    config_path: Path | None,
    overrides: tuple[str, ...],
    lm: Path | None,
    alpha: float | None,
    beta: float | None,
    beam: int | None,
    device: str,
) -> None:
    """Write what is said in each AUDIO, by the recogniser MODEL: a bundle, or a training's folder.

    Audio is wav, flac, ogg, mp3 or SPHERE of any rate and length, '-' is standard input. Several files give a line of
    text each, after the file's name. --out names a file, or a folder (there already, or ending in '/') for a file each.
    A file that cannot be read is named at the end, with exit status 2, and the others are done.

    \b
      dstoolkit transcribe exp/deepspeech talk.mp3
      dstoolkit transcribe exp/deepspeech talk.mp3 --format srt --out talk.srt
      dstoolkit transcribe exp/deepspeech *.flac --format json --out heard/ \\
          --lm data/lm.arpa --alpha 0.5 --beta 1
    """
    from dstoolkit.pipeline import transcript_files, windows
    from dstoolkit.pipeline.transcript_files import Destination, Form

    windows.check(chunk, overlap)
    names = transcript_files.ids(recordings)
    number = str(channel + 1) if isinstance(channel, int) else "1"  # NIST counts channels from 1
    destination = Destination(Form(form, len(recordings) > 1, segments, number), out, to_stdout)
    inputs = {f"audio {at}": Path(each) for at, each in enumerate(recordings, start=1) if each != "-"}
    destination.check(names, inputs | {"model": model} | ({"--lm": lm} if lm else {}))
    own = {"lm": str(lm) if lm else None, "alpha": alpha, "beta": beta, "beam": beam}
    with standard_input(recordings) as paths:
        infos, faults = survey(recordings, paths)
        recogniser, choice = open_recogniser(model, device, config_path, overrides, own)
        warn_of_rates(infos, recogniser.extractor["sample_rate"])
        transcriber = make(recogniser, choice, chunk, overlap, channel)
        run(transcriber, dict(zip(recordings, names, strict=True)), paths, infos, faults, destination)


def to_stdout(text: str) -> None:
    """On standard output, the bar out of the way."""
    from tqdm import tqdm

    with tqdm.external_write_mode():
        click.echo(text, nl=False)


@contextmanager
def standard_input(recordings: Sequence[str]) -> Iterator[dict[str, Path]]:
    """Each recording's file; standard input's is a temporary one, as formats are read back and forth."""
    import shutil
    import sys
    import tempfile

    paths = {each: Path(each) for each in recordings if each != "-"}
    if "-" not in recordings:
        yield paths
        return
    spool: Any
    with tempfile.NamedTemporaryFile(prefix="dstoolkit-", suffix=".audio") as spool:
        shutil.copyfileobj(sys.stdin.buffer, spool)
        spool.flush()
        yield paths | {"-": Path(spool.name)}


def survey(recordings: Sequence[str], paths: dict[str, Path]) -> tuple[dict[str, AudioInfo], list[DstoolkitError]]:
    """The headers, and the faults of those that cannot be read. Raises these where none can."""
    from dstoolkit.data import audio
    from dstoolkit.errors import DataError, Faults

    infos: dict[str, AudioInfo] = {}
    faults: list[DstoolkitError] = []
    for each in recordings:
        try:
            infos[each] = audio.info(paths[each])
        except DataError as error:
            faults.append(named(error, each))
    if not infos:
        Faults.check(faults)
    return infos, faults


def named(error: DstoolkitError, recording: str) -> DstoolkitError:
    """An error of standard input names no temporary file."""
    return type(error)("standard input", error.found, error.expected, error.advice) if recording == "-" else error


def open_recogniser(
    model: Path, device: str, config_path: Path | None, overrides: Sequence[str], own: dict[str, Any]
) -> tuple[Recogniser, Choice]:
    """MODEL, and the decoder that it names or the options do. Raises what a user can mend."""
    from dstoolkit.pipeline import decoder_choice
    from dstoolkit.pipeline.model_choice import open_model
    from dstoolkit.pipeline.recognition import best_device

    recogniser = open_model(model, best_device(device))
    choice = decoder_choice.choose(recogniser.experiment.decoder, config_path, overrides, own)
    decoder_choice.made_by(choice)  # refuses files that are not there
    return recogniser, choice


def warn_of_rates(infos: dict[str, AudioInfo], rate: int) -> None:
    """A line for each rate in Hz that is below the model's: upsampled audio has no upper frequencies."""
    from dstoolkit.errors import few

    lower: dict[int, list[str]] = {}
    for name, each in infos.items():
        if each.rate < rate:
            lower.setdefault(each.rate, []).append("standard input" if name == "-" else name)
    for found, names in lower.items():
        what = f"recorded at {found} Hz, and the model hears {rate} Hz"
        why = f"there is nothing above {found / 2:g} Hz, so expect more errors"
        click.echo(f"warning: {few(names)}: {what}: {why}", err=True)


def make(recogniser: Recogniser, choice: Choice, chunk: float, overlap: float, channel: Any) -> Transcriber:
    from dstoolkit.pipeline.listening import Listener
    from dstoolkit.pipeline.transcriber import Transcriber
    from dstoolkit.pipeline.transcription import make_decoder

    return Transcriber(Listener(recogniser, chunk, overlap, channel), make_decoder(choice, recogniser.vocabulary))


def run(
    transcriber: Transcriber,
    names: dict[str, str],
    paths: dict[str, Path],
    infos: dict[str, AudioInfo],
    faults: list[DstoolkitError],
    destination: Destination,
) -> None:
    """Transcribe what can be read, say how fast, and raise the faults."""
    from dataclasses import replace
    from time import monotonic

    from tqdm import tqdm

    from dstoolkit.data import tables
    from dstoolkit.errors import DataError, Faults

    start, done, seconds = monotonic(), 0, 0.0
    total = sum(each.duration for each in infos.values())
    with tqdm(total=round(total, 1), desc="transcribe", unit="s", leave=False, disable=None) as bar:
        transcriber.progress = bar.update
        for each in infos:
            try:
                found = replace(transcriber.transcribe(paths[each], names[each]), file=each)
            except DataError as error:
                faults.append(named(error, each))
                continue
            destination.add(found)
            done, seconds = done + 1, seconds + found.duration
    destination.finish()
    if done:
        taken = monotonic() - start
        speed = f"{seconds:.1f} s of audio in {taken:.1f} s, {seconds / taken:.1f}x real time"
        click.echo(f"{tables.count(done, 'file')} transcribed: {speed}", err=True)
    Faults.check(faults)
