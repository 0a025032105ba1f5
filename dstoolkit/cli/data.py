"""``dstoolkit data``: import, validate, mend, divide and describe Kaldi data directories."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstoolkit.interfaces import Command

if TYPE_CHECKING:
    from dstoolkit.data.datadir import DataDir
    from dstoolkit.data.making import Content
    from dstoolkit.errors import DstoolkitError
    from dstoolkit.interfaces import Utterance

SECONDS_PER_HOUR = 3600
SHOWN = 100  # faults that 'validate' prints without --all

DIRECTORY = click.Path(path_type=Path)
out_option = click.option("--out", type=DIRECTORY, required=True, help="The folder to make.")
force_option = click.option("--force", is_flag=True, help="Make it anew where it was made differently.")
seed_option = click.option("--seed", default=0, show_default=True, help="Of the random order.")


class DataCommand(Command):
    name = "data"
    help = "Import, validate, mend and divide Kaldi data directories."

    @staticmethod
    def click_command() -> click.Command:
        return data_group


@click.group("data")
def data_group() -> None:
    """Import, validate, mend and divide Kaldi data directories.

    A data directory says, in sorted text files, where each utterance's audio is (wav.scp, segments), what was said
    (text) and by whom (utt2spk, spk2utt). All other commands read such directories.

    \b
      dstoolkit data import recordings.csv --out data/all
      dstoolkit data split data/all --out data --part test=0.1 --part dev=0.1 --part train=rest --by speaker
      dstoolkit data info data/train data/dev data/test
    """


@data_group.command("import")
@click.argument("source", type=DIRECTORY)
@out_option
@click.option("--audio", "audio_key", default="audio", show_default=True, help="Column with the audio file's path.")
@click.option("--text", "text_key", default="text", show_default=True, help="Column with the transcript.")
@click.option("--no-text", is_flag=True, help="There are no transcripts.")
@click.option("--id", "id_key", default="id", show_default=True, help="Column with the utterance id, if any.")
@click.option("--speaker", "speaker_key", default="speaker", show_default=True, help="Column with the speaker, if any.")
@click.option("--start", "start_key", default="start", show_default=True, help="Column with the start in s, if any.")
@click.option("--end", "end_key", default="end", show_default=True, help="Column with the end in s, if any.")
@click.option("--audio-folder", type=DIRECTORY, help="What audio paths are relative to, if not SOURCE's folder.")
@click.option("--delimiter", help="Between the fields of a CSV file; by default a comma (.csv) or tab (.tsv).")
@force_option
def import_command(
    source: Path, out: Path, no_text: bool, audio_folder: Path | None, delimiter: str | None, force: bool, **named: str
) -> None:
    """Make a data directory from a CSV, TSV or JSON-lines file, or check and copy a Kaldi one.

    SOURCE is a file with one row for each utterance, a folder with one such file (and its audio in audio/), or a Kaldi
    data directory. Every recording is opened; all faults are reported at once, with their lines. The audio stays where
    it is.

    \b
      dstoolkit data import clips.tsv --audio path --text sentence --speaker client_id --out data/all
    """
    from dstoolkit.data import importing, making, manifests

    if delimiter is not None and len(delimiter) != 1:
        raise click.UsageError(f"--delimiter is one character, not {delimiter!r}")
    names: dict[str, Any] = {key.removesuffix("_key"): value for key, value in named.items()}
    keys = importing.Keys(**names | ({"text": None} if no_text else {}))
    kaldi = importing.is_kaldi(source)

    def produce() -> Content:
        found = importing.read(source, keys, audio_folder, delimiter, progress=True)
        return making.Content(found.utterances, found.source, found.durations, {source: ""} if kaldi else {})

    config = {"source": str(source.absolute()), "keys": vars(keys), "delimiter": delimiter}
    config["audio_folder"] = str(audio_folder.absolute()) if audio_folder else None
    inputs = {"folders": [source]} if kaldi else {"files": [manifests.find(source)]}
    _say_made(out, making.make(out, "data import", config, produce, force=force, **inputs))


@data_group.command("validate")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=DIRECTORY)
@click.option("--no-audio", is_flag=True, help="Check the text files alone.")
@click.option("--decode", is_flag=True, help="Read every recording to its end, not just its header.")
@click.option("--rate", type=click.IntRange(min=1), help="The sample rate in Hz that all recordings must have.")
@click.option("--all", "show_all", is_flag=True, help=f"Show all faults, not the first {SHOWN} of a directory.")
def validate_command(folders: Sequence[Path], no_audio: bool, decode: bool, rate: int | None, show_all: bool) -> None:
    """Check data directories and report every fault at once, with file and line.

    Faults end in exit status 2; warnings do not.

    \b
      dstoolkit data validate data/train data/dev data/test
    """
    from dstoolkit.data import validate
    from dstoolkit.data.tables import count
    from dstoolkit.errors import DataError

    if no_audio and (decode or rate):
        raise click.UsageError("--no-audio leaves nothing to --decode or --rate")
    faulty = []
    for folder in folders:
        report = validate.examine(folder, audio=not no_audio, decode=decode, rate=rate, progress=True)
        _show("warning: ", report.warnings, show_all)
        _show("", report.faults, show_all)
        utterances = len(report.tables["utt2spk"].rows) if "utt2spk" in report.tables else 0
        counted = f"{count(len(report.faults), 'fault')}, {count(len(report.warnings), 'warning')}"
        click.echo(
            f"{folder}: {count(utterances, 'utterance')}, {counted if report.faults or report.warnings else 'no fault'}"
        )
        faulty += [folder] if report.faults else []
    if faulty:
        shown = ", ".join(f"'{folder}'" for folder in faulty)
        raise DataError(shown, "not valid", "", "see the faults above; 'dstoolkit data fix DIR' mends some")


@data_group.command("fix")
@click.argument("folder", metavar="DIR", type=DIRECTORY)
@click.option("--drop-bad-audio", is_flag=True, help="Drop recordings that are missing or cannot be opened.")
def fix_command(folder: Path, drop_bad_audio: bool) -> None:
    """Mend a data directory in place, as far as that is safe, and say what was done.

    Sorts, tidies blanks and line ends, makes spk2utt anew, and drops utterances that one of the files lacks. What was
    there before is kept in DIR/.backup/. What remains faulty is reported, with exit status 2.

    \b
      dstoolkit data fix data/train
    """
    from dstoolkit.data import fixing, validate

    did = fixing.fix(folder, drop_bad_audio, progress=True)
    for line in did:
        click.echo(line)
    validate.check(folder, audio=drop_bad_audio)
    click.echo(f"{folder}: {'mended' if did else 'nothing to mend'}")


@data_group.command("subset")
@click.argument("folder", metavar="DIR", type=DIRECTORY)
@click.argument("out", metavar="OUT", type=DIRECTORY)
@click.option("--num", type=click.IntRange(min=1), help="So many utterances.")
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="At most so many hours.")
@click.option("--ids", type=DIRECTORY, help="Only the utterances whose ids begin this file's lines.")
@click.option("--speakers", help="Only these speakers, separated by commas.")
@click.option(
    "--take",
    type=click.Choice(["first", "shortest", "random"]),
    default="first",
    show_default=True,
    help="Which to take where not all are.",
)
@seed_option
@force_option
def subset_command(folder: Path, out: Path, force: bool, speakers: str | None, **options: Any) -> None:
    """Make OUT of some utterances of DIR: of these ids and speakers, so many or so long.

    \b
      dstoolkit data subset data/train data/train_1h --hours 1 --take random
    """
    from dstoolkit.data import datadir, editing, making

    if speakers is None and all(options[name] is None for name in ("num", "hours", "ids")):
        raise click.UsageError("expected at least one of --num, --hours, --ids, --speakers")
    chosen = [each.strip() for each in speakers.split(",")] if speakers is not None else None
    selection = editing.Selection(speakers=chosen, **options)
    config = {**options, "ids": str(selection.ids) if selection.ids else None, "speakers": chosen}

    def produce() -> Content:
        data = datadir.DataDir.read(folder)
        return making.Content(editing.subset(data, selection), data.source, data.durations or None, {folder: ""})

    files = [selection.ids] if selection.ids else []
    _say_made(out, making.make(out, "data subset", config, produce, [folder], files, force))


@data_group.command("split")
@click.argument("folder", metavar="DIR", type=DIRECTORY)
@out_option
@click.option(
    "--part", "parts", multiple=True, required=True, metavar="NAME=SHARE", help="A fraction, count or 'rest'."
)
@click.option(
    "--by",
    type=click.Choice(["speaker", "utterance", "text"]),
    default="utterance",
    show_default=True,
    help="What is never in two parts.",
)
@seed_option
@force_option
def split_command(folder: Path, out: Path, parts: Sequence[str], by: Any, seed: int, force: bool) -> None:
    """Divide DIR into OUT/NAME for each --part; no speaker, utterance or text is in two of them.

    A SHARE counts what is divided (--by): 0.1 or 10% of the speakers, or 20 of them, or 'rest'.

    \b
      dstoolkit data split data/all --out data/split --part test=20 --part dev=0.1 --part train=rest --by text
    """
    from dstoolkit.data import datadir, editing, making

    shares = editing.shares(parts)

    @functools.cache
    def divided() -> tuple[DataDir, Mapping[str, Sequence[Utterance]]]:
        data = datadir.DataDir.read(folder)
        return data, editing.split(data, shares, by, seed)

    def produce(name: str) -> Content:
        data, utterances = divided()
        return making.Content(utterances[name], data.source, data.durations or None, {folder: ""})

    config = {"parts": shares, "by": by, "seed": seed}
    for name in shares:
        made = making.make(
            out / name, "data split", {**config, "part": name}, functools.partial(produce, name), [folder], force=force
        )
        _say_made(out / name, made)
    if divided.cache_info().currsize:
        data, utterances = divided()
        left = len(data.utterances) - sum(map(len, utterances.values()))
        click.echo(
            f"{folder}: {left} of {len(data.utterances)} utterances in no part"
            if left
            else f"{folder}: every utterance is in a part"
        )


@data_group.command("combine")
@click.argument("out", metavar="OUT", type=DIRECTORY)
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=DIRECTORY)
@click.option("--prefix", is_flag=True, help="Put each directory's name before its ids.")
@force_option
def combine_command(out: Path, folders: Sequence[Path], prefix: bool, force: bool) -> None:
    """Make OUT of all utterances of the DIRs. Ids must differ, unless --prefix makes them.

    \b
      dstoolkit data combine data/train_all data/train data/extra
    """
    from dstoolkit.data import datadir, editing, making

    def produce() -> Content:
        datas = [datadir.DataDir.read(folder) for folder in folders]
        names = editing.prefixes(folders) if prefix else [""] * len(folders)
        known: dict[str, float] = {}
        for data, name in zip(datas, names, strict=True):
            known |= {name + key: value for key, value in data.durations.items()}
        durations = known if all(data.durations for data in datas) else None
        origins = dict(zip(folders, names, strict=True))
        return making.Content(editing.combine(datas, prefix), datas[0].source, durations, origins)

    _say_made(out, making.make(out, "data combine", {"prefix": prefix}, produce, folders, force=force))


@data_group.command("info")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=DIRECTORY)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each directory.")
def info_command(folders: Sequence[Path], as_json: bool) -> None:
    """Count utterances, speakers, hours and words; show rates, characters and the spread of lengths.

    \b
      dstoolkit data info data/train data/dev data/test
    """
    from dstoolkit.data import summary

    for folder in folders:
        found = summary.summarize(folder, progress=True)
        lines = [json.dumps(found.as_dict(), ensure_ascii=False)] if as_json else summary.lines(found)
        for line in lines:
            click.echo(line)


def _say_made(out: Path, content: Content | None) -> None:
    from dstoolkit.data.tables import count

    if content is None:
        click.echo(f"{out}: done already")
        return
    speakers = len({each.speaker for each in content.utterances})
    line = f"{out}: {count(len(content.utterances), 'utterance')}, {count(speakers, 'speaker')}"
    if content.durations:
        line += f", {sum(content.durations[each.id] for each in content.utterances) / SECONDS_PER_HOUR:.2f} hours"
    click.echo(line)


def _show(prefix: str, found: Sequence[DstoolkitError], show_all: bool) -> None:
    shown = found if show_all else found[:SHOWN]
    for each in shown:
        click.echo(f"{prefix}{each}")
    if len(found) > len(shown):
        click.echo(f"{prefix}and {len(found) - len(shown)} more; --all shows them")
