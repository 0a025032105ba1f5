"""``dstoolkit lm``: estimate n-gram language models, and try them on text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstoolkit.interfaces import Command

if TYPE_CHECKING:
    from dstoolkit.decoding.kneser_ney import Estimate
    from dstoolkit.decoding.ngram import Ngram
    from dstoolkit.decoding.perplexity import Evaluation
    from dstoolkit.pipeline.lm_text import Units

ANY = click.Path(exists=True, path_type=Path)
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
UNITS = ("word", "token")


class LmCommand(Command):
    name = "lm"
    help = "Train n-gram language models and score text."

    @staticmethod
    def click_command() -> click.Command:
        return lm_group


@click.group("lm")
def lm_group() -> None:
    """N-gram language models as ARPA files: modified Kneser-Ney estimation, perplexity.

    \b
      dstoolkit lm train data/train lm.arpa --order 3 --tokenizer data/tokenizer
      dstoolkit lm score lm.arpa data/dev --tokenizer data/tokenizer
    """


tokenizer_option = click.option("--tokenizer", type=FOLDER, help="Vocabulary folder: normalise texts as it does.")
unit_option = click.option(
    "--unit", type=click.Choice(UNITS), default="word", show_default=True, help="'token': cut texts by --tokenizer."
)


def thresholds(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    """``--prune``: whole numbers with blanks or commas between."""
    try:
        return tuple(int(each) for each in value.replace(",", " ").split())
    except ValueError:
        raise click.BadParameter(f"{value!r}; expected counts such as '0 0 1'", ctx, param) from None


@lm_group.command("train")
@click.argument("inputs", nargs=-1, required=True, type=ANY, metavar="INPUT...")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--order", type=click.IntRange(min=1), default=3, show_default=True, help="Words of an n-gram.")
@click.option(
    "--prune", default="", callback=thresholds, metavar="COUNTS", help="Drop n-grams this rare, by order: '0 0 1'."
)
@tokenizer_option
@unit_option
@click.option("--force", is_flag=True, help="Make OUT anew even where it was made from something else.")
def train_command(
    inputs: tuple[Path, ...],
    out: Path,
    order: int,
    prune: tuple[int, ...],
    tokenizer: Path | None,
    unit: str,
    force: bool,
) -> None:
    """Estimate a model of --order words from the INPUTs and write OUT, an ARPA file (gzip if it ends in .gz).

    An INPUT is a data directory, whose transcripts are used, or a text file with a sentence a line, plain or gzip.
    Smoothing is interpolated modified Kneser-Ney; an order with too few n-grams for its discounts gets 0.5, 1 and 1.5,
    and that is said.

    \b
      dstoolkit lm train data/train lm.arpa --order 3
      dstoolkit lm train data/train books.txt.gz lm.arpa.gz --order 4 --prune '0 0 1' --tokenizer data/tokenizer
      dstoolkit lm train data/train tokens.arpa --order 8 --tokenizer data/tokenizer --unit token
    """
    from dstoolkit import stamp
    from dstoolkit.decoding import arpa_writer, kneser_ney
    from dstoolkit.pipeline import lm_text

    _check_name(out)
    settings = {"order": order, "prune": kneser_ney.check_thresholds(prune, order), "unit": unit}
    units = _units(tokenizer, unit)
    digests = lm_text.digests(inputs) | ({} if tokenizer is None else {"tokenizer": stamp.digest(tokenizer)})
    made = stamp.Stamp("lm train", settings, digests)
    if stamp.is_done(out, made, force):
        click.echo(f"{out}: done already")
        return
    found = kneser_ney.estimate((words for _, words in lm_text.sentences(inputs, units)), order, prune)
    with stamp.building(out, made, folder=False) as partial:
        arpa_writer.write(found.arpa, partial, compress=out.name.endswith(".gz"))
    click.echo(f"{out}: {_summary(found, unit)}")
    for n, why in enumerate(found.fallbacks, start=1):
        if why:
            shown = " ".join(f"{each:g}" for each in kneser_ney.FALLBACK)
            click.echo(f"note: order {n} is discounted by {shown}: {why}")


def _check_name(out: Path) -> None:
    """Where OUT is forgotten, the last text must not be taken for it and written over."""
    from dstoolkit.errors import ConfigError

    if not out.name.endswith((".arpa", ".arpa.gz")):
        raise ConfigError("OUT", f"'{out}'", "expected a name that ends in '.arpa' or '.arpa.gz'")


def _units(tokenizer: Path | None, unit: str) -> Units:
    from dstoolkit.errors import ConfigError
    from dstoolkit.pipeline.lm_text import TOKEN, Units
    from dstoolkit.pipeline.vocabulary import Vocabulary

    if unit == TOKEN and tokenizer is None:
        raise ConfigError("--unit", "'token' without --tokenizer", "expected a vocabulary folder")
    return Units(None if tokenizer is None else Vocabulary.load(tokenizer), unit)


def _summary(found: Estimate, unit: str) -> str:
    counts = ", ".join(f"{len(level.probs)} {n}-grams" for n, level in enumerate(found.arpa.levels, start=1))
    return f"{counts}; from {found.sentences} sentences, {found.tokens} {unit}s"


@lm_group.command("score")
@click.argument("model", type=EXISTING, metavar="LM")
@click.argument("texts", nargs=-1, required=True, type=ANY, metavar="TEXT...")
@tokenizer_option
@unit_option
@click.option("--sentences", is_flag=True, help="Every sentence too.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def score_command(
    model: Path, texts: tuple[Path, ...], tokenizer: Path | None, unit: str, sentences: bool, as_json: bool
) -> None:
    """How well LM, an ARPA file, predicts the TEXTs: data directories or text files, as 'lm train' takes them.

    Perplexity counts words and sentence ends; the second figure leaves unknown words out.

    \b
      dstoolkit lm score lm.arpa data/dev --tokenizer data/tokenizer
      dstoolkit lm score lm.arpa.gz dev.txt --sentences
    """
    from dstoolkit.decoding.ngram import Ngram
    from dstoolkit.decoding.perplexity import evaluate
    from dstoolkit.errors import DataError
    from dstoolkit.pipeline import lm_text

    units = _units(tokenizer, unit)
    rows = list(lm_text.sentences(texts, units))
    if not rows:
        raise DataError(" ".join(map(str, texts)), "no sentences", "expected at least one word")
    loaded = Ngram.load(model)
    found = evaluate(loaded, [words for _, words in rows])
    by_sentence = _by_sentence(found, [where for where, _ in rows]) if sentences else []
    if as_json:
        import json

        click.echo(json.dumps(_figures(found) | ({"by_sentence": by_sentence} if sentences else {})))
        return
    for each in by_sentence:
        click.echo(f"{each['where']}\t{each['log10']:.4f}\t{each['words']} {unit}s, {each['unknown']} unknown")
    click.echo(_table(model, loaded, found, unit), nl=False)


def _figures(found: Evaluation) -> dict[str, Any]:
    return {
        "sentences": len(found.words),
        "words": int(found.words.sum()),
        "unknown": int(found.unknown.sum()),
        "log10": found.total,
        "perplexity": found.perplexity,
        "perplexity_without_unknown": found.without_unknown,
    }


def _by_sentence(found: Evaluation, wheres: list[str]) -> list[dict[str, Any]]:
    columns = (found.log10.tolist(), found.words.tolist(), found.unknown.tolist())
    return [
        {"where": where, "log10": log10, "words": words, "unknown": unknown}
        for where, log10, words, unknown in zip(wheres, *columns, strict=True)
    ]


def _table(path: Path, model: Ngram, found: Evaluation, unit: str) -> str:
    figures = _figures(found)
    rows = [
        ("sentences", f"{figures['sentences']}"),
        (f"{unit}s", f"{figures['words']}"),
        (f"unknown {unit}s", f"{figures['unknown']} ({100 * figures['unknown'] / figures['words']:.2f} %)"),
        ("log10 probability", f"{figures['log10']:.4f}"),
        ("perplexity", f"{figures['perplexity']:.2f}"),
        (f"without unknown {unit}s", f"{figures['perplexity_without_unknown']:.2f}"),
    ]
    head = f"{path}: order {model.order}, {len(model.words)} {unit}s, {model.nbytes / 1e6:.1f} MB\n"
    return head + "".join(f"  {name:23} {value}\n" for name, value in rows)
