"""``dstoolkit decode tune``: the language model's weight and the word bonus that make the fewest errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dstoolkit.cli.decode_common import FILE, FOLDER, decoder_for, experiments_decoder, keep, open_source

if TYPE_CHECKING:
    from dstoolkit.config import Choice
    from dstoolkit.pipeline.outputs import Source
    from dstoolkit.pipeline.tuning import Axis, Point, Trials
    from dstoolkit.pipeline.tuning_report import Tuned
    from dstoolkit.stamp import Stamp

OUTPUTS, JSON_FILE, TEXT_FILE, PICTURE, BEST = "outputs.h5", "tune.json", "tune.txt", "surface.png", "best.yaml"


@click.command("tune", short_help="Find the best alpha and beta on a set with known texts.")
@click.argument("exp", type=FOLDER)
@click.argument("data", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="Folder for the outputs and what is found.")
@click.option("--lm", type=FILE, help="Language model, an ARPA file.")
@click.option("--beam", type=int, help="Hypotheses that the decoder keeps at each frame.")
@click.option("--alpha", default="0:2:0.25", show_default=True, metavar="LOW:HIGH:STEP", help="The model's weights.")
@click.option("--beta", default="-1:5:1", show_default=True, metavar="LOW:HIGH:STEP", help="The word bonuses.")
@click.option("--refine", type=click.IntRange(0, 6), default=2, show_default=True, help="Rounds around the best point.")
@click.option("--metric", type=click.Choice(["wer", "cer"]), default="wer", show_default=True, help="What to lower.")
@click.option("--config", "config_path", type=FILE, help="YAML file whose section 'decoder' counts.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="decoder=NAME or decoder.OPTION=VALUE.")
@click.option("--nj", type=click.IntRange(min=1), default=1, show_default=True, help="Processes for the network.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda, for the network.")
@click.option("--force", is_flag=True, help="Search anew, whatever OUT holds.")
def tune(
    exp: Path,
    data: Path,
    out: Path,
    lm: Path | None,
    beam: int | None,
    alpha: str,
    beta: str,
    refine: int,
    metric: str,
    config_path: Path | None,
    overrides: tuple[str, ...],
    nj: int,
    device: str,
    force: bool,
) -> None:
    """Find the language model's weight (alpha) and the word bonus (beta) that make the fewest errors on DATA.

    The network runs once: its outputs are kept in OUT/outputs.h5 and decoded with every pair of the grid, then around
    the best one at half the step, --refine times. References are DATA/text, normalised as the recogniser's texts. Of
    equally good points the one with the smallest alpha is taken, then that with the beta nearest to 0.

    \b
      dstoolkit lm train data/train data/lm.arpa --order 3
      dstoolkit decode tune exp/deepspeech data/dev --lm data/lm.arpa --out exp/deepspeech/tune
      dstoolkit decode exp/deepspeech data/test --config exp/deepspeech/tune/best.yaml \\
          --out exp/deepspeech/decode_test

    OUT/best.yaml is the decoder with what was found, OUT/tune.txt a table, OUT/tune.json all counts, OUT/surface.png
    a picture. Another grid takes --force; the network is not run again.
    """
    from dstoolkit import stamp
    from dstoolkit.pipeline import decoder_choice
    from dstoolkit.pipeline.tuning import Axis, check_tunable

    axes = Axis.parse(alpha, "--alpha"), Axis.parse(beta, "--beta")
    source = open_source(exp, data, device, nj)
    own = {"lm": str(lm) if lm else None, "beam": beam}
    choice = decoder_choice.choose(experiments_decoder(source), config_path, overrides, own)
    check_tunable(choice, *axes)
    wanted = made_from(source, choice, axes, metric, refine)
    if stamp.is_done(out / JSON_FILE, wanted, force):
        click.echo(f"{out}: already done")
    else:
        trials = prepare(source, choice, out / OUTPUTS, nj, force)
        save(out, wanted, choice, search(trials, axes, metric, refine))
    click.echo((out / TEXT_FILE).read_text(encoding="utf-8").partition("\n\n")[0])


def made_from(source: Source, choice: Choice, axes: tuple[Axis, Axis], metric: str, refine: int) -> Stamp:
    """What decides the results. Raises ConfigError, DataError or Faults."""
    from dstoolkit import config, stamp
    from dstoolkit.errors import DataError
    from dstoolkit.pipeline import decoder_choice

    text = source.data / "text"
    if not text.exists():
        raise DataError(text, "no such file", "expected what is said, a Kaldi 'text' file")
    options, files = decoder_choice.made_by(choice)
    fixed = {key: value for key, value in options.items() if key not in ("alpha", "beta")}
    grid = {name: config.plain(axis) for name, axis in zip(("alpha", "beta"), axes, strict=True)}
    made = {"decoder": fixed, **grid, "metric": metric, "refine": refine}
    return stamp.Stamp("decode tune", made, source.digests() | {"text": stamp.digest(text)} | files)


def prepare(source: Source, choice: Choice, outputs: Path, nj: int, force: bool) -> Trials:
    """The language model found to fit, the texts read, and the network's outputs there."""
    from dstoolkit.data import datadir
    from dstoolkit.pipeline.outputs import Saved
    from dstoolkit.pipeline.tuning import Trials

    decoder_for(source, choice)
    texts = datadir.read_text(source.data / "text")
    outputs.parent.mkdir(parents=True, exist_ok=True)
    keep(source, outputs, nj, force)
    saved = Saved(source, outputs)
    references = {each: saved.vocabulary.normalize(text) for each, text in texts.items()}
    return Trials(saved, choice, references, source.data / "text")


def search(trials: Trials, axes: tuple[Axis, Axis], metric: str, refine: int) -> Tuned:
    from tqdm import tqdm

    from dstoolkit.config import Choice
    from dstoolkit.pipeline import tuning
    from dstoolkit.pipeline.transcription import make_decoder
    from dstoolkit.pipeline.tuning_report import Tuned, percent

    greedy = trials.errors(make_decoder(Choice("greedy"), trials.outputs.vocabulary))
    found: list[Point] = []
    points: Iterator[Point] = tuning.search(trials, *axes, metric, refine)
    total = len(axes[0].values) * len(axes[1].values) + 8 * refine
    with tqdm(points, desc="tune", unit="point", total=total, leave=False, disable=None) as bar:
        for point in bar:
            found.append(point)
            best = tuning.best(found, metric)
            rate = percent(getattr(best, metric))
            bar.set_postfix_str(f"best {metric.upper()} {rate} % at {best.alpha:g}, {best.beta:g}", refresh=False)
    return Tuned(found, *axes, metric, greedy)


def save(out: Path, wanted: Stamp, choice: Choice, tuned: Tuned) -> None:
    """All files and then the stamp, so that a run killed in between counts as none."""
    from dstoolkit import config, stamp
    from dstoolkit.pipeline import tuning_report

    found = tuned.best
    decoder = {"name": choice.name, **choice.options, "alpha": found.alpha, "beta": found.beta}
    stamp.remove(stamp.stamp_path(out / JSON_FILE))
    stamp.write_bytes(out / PICTURE, tuning_report.surface(tuned))
    stamp.write_text(out / BEST, config.dump({"decoder": config.plain(decoder)}))
    stamp.write_text(out / TEXT_FILE, tuning_report.text(tuned))
    stamp.write_text(out / JSON_FILE, tuning_report.as_json(tuned))
    stamp.write(out / JSON_FILE, wanted)
