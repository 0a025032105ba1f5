"""What a Kurfile trained, used on its sections ``test`` and ``evaluate``: transcripts, their score, and the hooks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from dstoolkit import config, stamp
from dstoolkit.config import Choice
from dstoolkit.data import ctm
from dstoolkit.data.datadir import read_text
from dstoolkit.errors import ConfigError, DataError
from dstoolkit.pipeline import decoder_choice
from dstoolkit.pipeline.decoded import Writer
from dstoolkit.pipeline.outputs import Source
from dstoolkit.pipeline.recognition import experiment_of
from dstoolkit.pipeline.transcription import Transcribe
from dstoolkit.pipeline.vocabulary import Vocabulary
from dstoolkit.scoring import report as reports
from dstoolkit.scoring import wer
from dstoolkit.training import distributed
from dstoolkit_kur import choosing, hooks, provider, sections, supplier, weights
from dstoolkit_kur.choosing import Chosen
from dstoolkit_kur.kurfile import Kurfile
from dstoolkit_kur.node import Node
from dstoolkit_kur.training import Places, device_of, encoder, load


def use(path: Path, name: str, overrides: Sequence[str], device: str, force: bool) -> None:
    """Do what ``name``, test or evaluate, asks for; of several processes the first does it. Raises DstoolkitError."""
    if not distributed.speaks():
        return
    kurfile, ours = load(path, overrides)
    if ours:
        raise ConfigError(f"--set experiment.{ours[0]}", f"an option of training, given to '{name}'", "leave it out")
    section, places = sections.needed(kurfile, name), Places.of(path)
    seed = kurfile.seed or 0
    trained = supplier.supply(sections.needed(kurfile, "train"), "train", places.work, seed)
    data = supplier.supply(section, name, places.work, seed, trained, force)
    source = Source(places.exp, data.folder, device_of(kurfile, device), weights_of(kurfile, section, places))
    source.check()
    out, chosen = places.exp / name, choosing.choose(section, source)
    used = experiment_of(source.exp, source.weights)
    for note in (*provider.notes(section, name), *changes(kurfile, used.encoder, source.model)):
        click.echo(note, err=True)
    transcribe(source, chosen, used.decoder, out, force)
    found = joined(source, out)
    rows = {each: found[each] for each in chosen.names}
    score(rows, out)
    destination = hooks.destination(section) if name == "evaluate" else []
    for hook in [*hooks.read(section, name, data.folder), *destination]:
        hook.predicted(rows)


def weights_of(kurfile: Kurfile, section: Node, places: Places) -> str:
    """The file that the section names, else the experiment's best. Raises ConfigError where it is not there."""
    said = weights.of_use(section)
    if not said:
        return "best.pt"
    node = section.get("weights")
    path = weights.check_file(weights.located(said, node), node)
    if not path.exists():
        raise node.fault(f"no file '{path}'", "expected weights", f"run 'dstoolkit train {kurfile.path}' first")
    return str(path)


def changes(kurfile: Kurfile, trained: Choice, used: Path) -> list[str]:
    """A line where the Kurfile's model is another than the network that was trained by it, which is what is used."""
    if kurfile.section("loss") is None:  # which says what of the model was trained
        return []
    layers = kurfile.layers()
    described = config.as_choice(encoder(kurfile), layers.where())
    differences = stamp.differences(*(stamp.Stamp("", config.plain(each)) for each in (trained, described)))
    if not differences:
        return []
    more = f" and {len(differences) - 1} more" if len(differences) > 1 else ""
    return [f"{layers.where()}: not what was trained ({differences[0]}{more}); used is '{used}' as it is"]


def transcribe(source: Source, chosen: Chosen, choice: Choice, out: Path, force: bool) -> None:
    """``text``, ``nbest.jsonl`` and ``ctm`` in the folder ``out``, by the decoder ``choice``, unless they are there."""
    options, files = decoder_choice.made_by(choice)
    made = stamp.Stamp("kur use", {"decoder": options, **chosen.options}, source.digests() | files)
    before = stamp.read(out)
    if not force and (before is None or not stamp.differences(before, made)) and stamp.is_done(out, made):
        return
    task = Transcribe(source, None, choice)
    archive = task.outputs.archive
    places = ctm.places(source.data, archive.utterance_ids)
    with stamp.building(out, made) as partial, Writer(partial, places) as writer:
        with closing(task.all(batches=chosen.batches)) as results:
            for batch, found in results:
                writer.add_batch(archive.utterance_ids, batch, found)
        writer.finish()
    count, whole = len(chosen.names), len(archive)
    click.echo(f"{out}: {count if count == whole else f'{count} of {whole}'} utterances transcribed")


def joined(source: Source, out: Path) -> dict[str, tuple[str | None, str]]:
    """Truth, as the network learnt to write it, and prediction of each utterance."""
    vocabulary, predictions = Vocabulary.load(source.exp / "tokenizer"), read_text(out / "text")
    text = source.data / "text"
    truths = read_text(text) if text.exists() else {}
    truths = truths if any(truths.values()) else {}  # transcripts that are all empty are none
    if strange := [each for each in predictions if truths and each not in truths]:
        raise DataError(text, f"no text of utterance '{strange[0]}'", "expected one of each utterance")
    return {
        name: (vocabulary.normalize(truths[name]) if truths else None, prediction)
        for name, prediction in predictions.items()
    }


def score(rows: hooks.Rows, out: Path) -> None:
    """Print the totals, and write ``wer.txt`` and ``wer.json``, where the truth is known."""
    references = {name: truth for name, (truth, _) in rows.items() if truth is not None}
    if not references:
        click.echo(f"{out}: no truth to score by")
        return
    report = wer.score(references, {name: rows[name][1] for name in references})
    stamp.write_text(out / "wer.txt", reports.text(report))
    stamp.write_text(out / "wer.json", reports.as_json(report))
    click.echo(reports.head(report), nl=False)
