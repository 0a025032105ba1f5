"""``dstoolkit align``: where the words of known texts are, by forced alignment with a trained recogniser."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dstoolkit.interfaces import Command

if TYPE_CHECKING:
    from dstoolkit.data.ctm import Place
    from dstoolkit.pipeline.alignment import Aligner, Result, Unaligned

CTM, TEXTGRID = "ctm", "textgrid"
FORMATS = (CTM, TEXTGRID)
NAMED = 5  # utterances that could not be aligned and are named; OUT/unaligned has all
BAR = 50  # columns that stand for an utterance's duration


class AlignCommand(Command):
    name = "align"
    help = "Find where the words of a text are in the audio."

    @staticmethod
    def click_command() -> click.Command:
        return align


def formats(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    """``--format``: names with commas between."""
    chosen = [each.strip() for each in value.split(",")]
    for each in chosen:
        if each not in FORMATS:
            raise click.BadParameter(f"{each!r}; expected {' or '.join(FORMATS)}, or both with a comma", ctx, param)
    return tuple(each for each in FORMATS if each in chosen)


FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("align")
@click.argument("exp", type=FOLDER)
@click.argument("data", type=FOLDER)
@click.option("--out", type=FOLDER, help="Folder for ctm, tokens.ctm and textgrid/.")
@click.option(
    "--text", type=click.Path(path_type=Path), help="What is said, a Kaldi 'text' file.  [default: DATA/text]"
)
@click.option(
    "--format",
    "chosen",
    default=",".join(FORMATS),
    show_default=True,
    callback=formats,
    metavar="NAMES",
    help="What to write.",
)
@click.option("--show", multiple=True, metavar="UTTERANCE", help="Print the words of an utterance and their times.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--force", is_flag=True, help="Align anew, whatever OUT holds.")
def align(
    exp: Path,
    data: Path,
    out: Path | None,
    text: Path | None,
    chosen: tuple[str, ...],
    show: tuple[str, ...],
    device: str,
    force: bool,
) -> None:
    """Find where the words of DATA/text (or --text) are in DATA, with the recogniser in EXP.

    OUT/ctm has a line for each word: recording, channel, start and duration in seconds, word, confidence;
    OUT/tokens.ctm has the same for the recogniser's tokens; OUT/textgrid/UTTERANCE.TextGrid has both, for Praat.
    Utterances that cannot be aligned (too short for their text, a character that has no token, no text) are left out
    and listed in OUT/unaligned. A low confidence marks a word that the recogniser does not hear where it should be.

    \b
      dstoolkit align exp/deepspeech data/test --out exp/deepspeech/align_test
      dstoolkit align exp/deepspeech data/test --show utt-017
    """
    from dstoolkit.errors import ConfigError

    if out is None and not show:
        raise ConfigError("", "neither --out nor --show", "expected a folder to write to or an utterance to print")
    aligner = prepare(exp, data, text or data / "text", device, show)
    if out is not None:
        inputs = {"best.pt": exp / "best.pt", "features.h5": data / "features.h5", "text": text or data / "text"}
        save(aligner, inputs, out, chosen, force)
    if show:
        click.echo("\n".join(table(each) for each in aligner.align(show)), nl=False)


def prepare(exp: Path, data: Path, text: Path, device: str, show: Sequence[str]) -> Aligner:
    """All inputs loaded and checked. Raises DataError, ArchiveError or Faults."""
    from dstoolkit.data import datadir
    from dstoolkit.data.archive import Archive
    from dstoolkit.errors import DataError, Faults
    from dstoolkit.pipeline.alignment import Aligner
    from dstoolkit.pipeline.recognition import Recogniser, best_device

    for path, advice in (
        (exp / "best.pt", "run 'dstoolkit train' first"),
        (data / "features.h5", "run 'dstoolkit features extract' first"),
    ):
        if not path.exists():
            raise DataError(path, "no such file", "", advice)
    texts, archive = datadir.read_text(text), Archive(data / "features.h5")
    named = [(text, each) for each in texts] + [("--show", each) for each in show]
    known = set(archive.utterance_ids)
    Faults.check(
        DataError(where, f"utterance {each!r}", f"'{archive.path}' has no features of it")
        for where, each in named
        if each not in known
    )
    return Aligner(Recogniser.load(exp, best_device(device)), archive, texts)


def save(aligner: Aligner, inputs: dict[str, Path], out: Path, chosen: Sequence[str], force: bool) -> None:
    """Align everything and write OUT, or say that it is there."""
    from dstoolkit import stamp
    from dstoolkit.data import ctm, tables
    from dstoolkit.errors import DataError

    folder = aligner.archive.path.parent
    inputs = inputs | ({"segments": folder / "segments"} if (folder / "segments").exists() else {})
    digests = {name: stamp.origin(path) for name, path in inputs.items()}
    wanted = stamp.Stamp("align", {"format": list(chosen)}, digests)
    if stamp.is_done(out, wanted, force):
        click.echo(f"{out}: already done")
        return
    places = ctm.places(folder, aligner.archive.utterance_ids)
    order = sorted(places, key=lambda each: (places[each], each))
    with stamp.building(out, wanted) as partial:
        words, left_out = write(partial, progress(aligner.align(order), len(order)), places, chosen)
        if len(left_out) == len(order):
            why = f"; the first, {left_out[0].utterance!r}: {left_out[0].why}"
            raise DataError(inputs["text"], f"none of {tables.count(len(order), 'utterance')} can be aligned{why}")
    warn(out, left_out)
    aligned = tables.count(len(order) - len(left_out), "utterance")
    click.echo(
        f"{out}: {aligned} aligned, {tables.count(words, 'word')}" + (f"; {len(left_out)} left out" if left_out else "")
    )


def write(
    folder: Path, found: Iterable[Result], places: Mapping[str, Place], chosen: Sequence[str]
) -> tuple[int, list[Unaligned]]:
    """The files of OUT, an utterance at a time; the number of words, and the utterances left out."""
    from contextlib import ExitStack, closing

    from dstoolkit.data import ctm, textgrid
    from dstoolkit.pipeline.alignment import Unaligned

    words, left_out = 0, []
    with ExitStack() as stack:
        names = {"ctm": "words", "tokens.ctm": "tokens"} if CTM in chosen else {}
        files = {kind: stack.enter_context((folder / name).open("w", encoding="utf-8")) for name, kind in names.items()}
        writers = {kind: stack.enter_context(closing(ctm.Writer(file))) for kind, file in files.items()}
        if TEXTGRID in chosen:
            (folder / TEXTGRID).mkdir()
        for each in found:
            if isinstance(each, Unaligned):
                left_out.append(each)
                continue
            words += len(each.words)
            tiers = {"words": each.words, "tokens": each.tokens}
            for kind, writer in writers.items():
                writer.add(places[each.utterance], tiers[kind])
            if TEXTGRID in chosen:
                path = folder / TEXTGRID / textgrid.file_name(each.utterance)
                path.write_text(textgrid.render(each.duration, tiers), encoding="utf-8")
    if left_out:
        lines = "".join(f"{each.utterance} {each.why}\n" for each in left_out)
        (folder / "unaligned").write_text(lines, encoding="utf-8")
    return words, left_out


def warn(out: Path, left_out: Sequence[Unaligned]) -> None:
    """Name the first utterances left out, and count the rest."""
    if not left_out:
        return
    for each in left_out[:NAMED]:
        click.echo(f"warning: {each.utterance}: left out: {each.why}", err=True)
    if len(left_out) > NAMED:
        click.echo(f"warning: and {len(left_out) - NAMED} more, all in '{out / 'unaligned'}'", err=True)


def progress(found: Iterable[Result], total: int) -> Iterable[Result]:
    from tqdm import tqdm

    return tqdm(found, desc="align", unit="utterance", total=total, leave=False, disable=None)


def table(found: Result) -> str:
    """An utterance's words with their times, and a bar that stands for each in the utterance's duration."""
    from dstoolkit.pipeline.alignment import Unaligned

    if isinstance(found, Unaligned):
        return f"{found.utterance}: cannot be aligned: {found.why}\n"
    width = max([4, *(len(each.text) for each in found.words)])
    lines = [f"{found.utterance}: {found.duration:.2f} s", f"  start     end  {'word':{width}}  confidence"]
    for each in found.words:
        bar = _bar(each.start, each.end, found.duration)
        lines.append(f"{each.start:7.2f} {each.end:7.2f}  {each.text:{width}}  {each.confidence:10.2f}  |{bar}|")
    return "\n".join([*lines, ""])


def _bar(start: float, end: float, duration: float) -> str:
    begin = min(int(start / duration * BAR), BAR - 1)
    length = max(1, round(end / duration * BAR) - begin)
    return (" " * begin + "=" * length).ljust(BAR)
