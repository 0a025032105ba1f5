"""``dstoolkit decode``: a trained recogniser and features in, text out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dstoolkit.cli import decode_tune
from dstoolkit.cli.decode_common import (
    FILE,
    FOLDER,
    decoder_for,
    decoder_options,
    experiments_decoder,
    keep,
    open_source,
    progress,
)
from dstoolkit.cli.groups import CommandWithSubcommands
from dstoolkit.interfaces import Command

if TYPE_CHECKING:
    from dstoolkit.config import Choice
    from dstoolkit.pipeline.decoded import Writer
    from dstoolkit.pipeline.outputs import Source
    from dstoolkit.pipeline.transcription import Transcribe
    from dstoolkit.stamp import Stamp


class DecodeCommand(Command):
    name = "decode"
    help = "Turn features into text with a trained recogniser."

    @staticmethod
    def click_command() -> click.Command:
        return decode


@click.command("decode", cls=CommandWithSubcommands, subcommands=[decode_tune.tune])
@click.argument("exp", type=FOLDER)
@click.argument("data", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="Folder for text, nbest.jsonl and ctm.")
@decoder_options
@click.option("--nbest", type=int, help="Hypotheses of each utterance to write.")
@click.option("--outputs", type=FILE, help="Keep the network's outputs in this file, or take them from there.")
@click.option("--nj", type=click.IntRange(min=1), default=1, show_default=True, help="Processes, on a CPU.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--force", is_flag=True, help="Decode anew, whatever OUT holds.")
def decode(
    exp: Path,
    data: Path,
    out: Path,
    config_path: Path | None,
    overrides: tuple[str, ...],
    lm: Path | None,
    alpha: float | None,
    beta: float | None,
    beam: int | None,
    nbest: int | None,
    outputs: Path | None,
    nj: int,
    device: str,
    force: bool,
) -> None:
    """Decode the data directory DATA with the recogniser in EXP.

    OUT/text is a Kaldi text file (utterance, words); OUT/nbest.jsonl has each utterance's hypotheses with their scores,
    words, the words' times in seconds and confidences; OUT/ctm has the best ones' words with their times. The decoder
    is the experiment's (greedy, unless its configuration says another), or 'beam' where an option of it is given.

    \b
      dstoolkit decode exp/deepspeech data/test --out exp/deepspeech/decode_test
      dstoolkit decode exp/deepspeech data/test --out exp/deepspeech/decode_lm \\
          --lm data/lm.arpa --alpha 0.5 --beta 1
      dstoolkit decode exp/deepspeech data/test --out exp/deepspeech/decode_lm \\
          --config exp/deepspeech/tune/best.yaml
    """
    from dstoolkit import stamp
    from dstoolkit.pipeline import decoder_choice

    source = open_source(exp, data, device, nj)
    own = {"lm": str(lm) if lm else None, "alpha": alpha, "beta": beta, "beam": beam, "nbest": nbest}
    choice = decoder_choice.choose(experiments_decoder(source), config_path, overrides, own)
    wanted = made_from(source, choice)
    if stamp.is_done(out, wanted, force):
        click.echo(f"{out}: already done")
        return
    save(out, wanted, source, choice, outputs, nj, force)


def made_from(source: Source, choice: Choice) -> Stamp:
    """What decides the results, DATA/segments because of the CTM. Raises ConfigError, DataError or Faults."""
    from dstoolkit import stamp
    from dstoolkit.pipeline import decoder_choice

    options, files = decoder_choice.made_by(choice)
    segments = source.data / "segments"
    more = {"segments": stamp.origin(segments)} if segments.exists() else {}
    return stamp.Stamp("decode", {"decoder": options}, source.digests() | files | more)


def save(out: Path, wanted: Stamp, source: Source, choice: Choice, outputs: Path | None, nj: int, force: bool) -> None:
    """Decode everything into OUT."""
    from time import monotonic

    from dstoolkit import stamp
    from dstoolkit.data import ctm
    from dstoolkit.pipeline.decoded import Writer
    from dstoolkit.pipeline.transcription import Transcribe

    start = monotonic()
    task = Transcribe(source, outputs, choice)
    task.decoder = decoder_for(source, choice)
    if outputs:
        keep(source, outputs, nj, force)
    archive = task.outputs.archive
    places = ctm.places(source.data, archive.utterance_ids)
    with stamp.building(out, wanted) as partial, Writer(partial, places) as writer:
        transcribe(task, nj, writer)
        writer.finish()
    total, seconds = archive.durations.sum(), monotonic() - start
    speed = f"{total:.0f} s of audio in {seconds:.1f} s, {total / seconds:.0f}x real time"
    click.echo(f"{out}: {len(archive)} utterances decoded ({speed})")


def transcribe(task: Transcribe, nj: int, writer: Writer) -> None:
    from contextlib import closing

    archive = task.outputs.archive
    with closing(task.all(nj)) as results, progress("decode", archive) as advance:
        for batch, found in results:
            writer.add_batch(archive.utterance_ids, batch, found)
            advance(batch)
