"""``dstoolkit features``: extract archives, summarise them, draw an utterance."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstoolkit.interfaces import Command

if TYPE_CHECKING:
    from dstoolkit.pipeline.extraction import Extracted, Options


class FeaturesCommand(Command):
    name = "features"
    help = "Extract, summarise and show features."

    @staticmethod
    def click_command() -> click.Command:
        return features_group


def channel(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """``--channel``: a number, ``mix`` or nothing."""
    if value is None or value == "mix":
        return value
    if not value.isdecimal():
        raise click.BadParameter(f"{value!r} is neither a channel's number (0, 1, ...) nor 'mix'", ctx, param)
    return int(value)


FOLDER = click.Path(path_type=Path)


@click.group("features")
def features_group() -> None:
    """Extract features from data directories, summarise archives, draw utterances.

    \b
      dstoolkit features extract data/train data/dev data/test --config conf/train.yaml --nj 4
      dstoolkit features stats data/train
      dstoolkit features show data/train utt-017 --out utt-017.png
    """


@features_group.command("extract")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=FOLDER)
@click.option("--config", "config_path", type=FOLDER, help="YAML file; its section 'features' is used.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override, as features.num_mel_bins=40.")
@click.option("--nj", default=1, type=click.IntRange(1), show_default=True, help="Processes.")
@click.option(
    "--dtype",
    default="float32",
    type=click.Choice(["float32", "float16"]),
    show_default=True,
    help="Of the stored frames; float16 takes half the room.",
)
@click.option("--channel", callback=channel, metavar="N|mix", help="Channel to take, from 0, or 'mix' for their mean.")
@click.option("--rate", type=click.IntRange(1), metavar="HZ", help="Resample what has another rate.")
@click.option(
    "--shard-frames", type=click.IntRange(1), metavar="N", help="Frames per file at most. [default: 10000000]"
)
@click.option("--force", is_flag=True, help="Make anew what is done or was made differently.")
def extract(folders: tuple[Path, ...], config_path: Path | None, overrides: tuple[str, ...], **given: Any) -> None:
    """Write DIR/features.h5 for each data directory DIR.

    The features are those of the section 'features' of --config, by default the log power spectrogram:

    \b
      features: {name: fbank, num_mel_bins: 40}

    'dstoolkit plugins list' names all. An archive that is there already and was made from the same is left alone.
    All faults of a directory are reported at once, and then nothing is written.

    \b
      dstoolkit features extract data/train data/dev --config conf/train.yaml --nj 4
      dstoolkit features extract data/test --set features=fbank --set features.num_mel_bins=40
    """
    from dstoolkit.pipeline import experiment, extraction

    choice = experiment.load(config_path, overrides).features
    if given["shard_frames"] is None:
        given["shard_frames"] = extraction.SHARD_FRAMES
    options = extraction.Options(jobs=given.pop("nj"), **given)
    for folder in folders:
        report(extraction.extract(folder, choice, options, progress(str(folder))), options)


def progress(label: str) -> Any:
    """What wraps an iterable in a progress bar on standard error, where that is a terminal."""

    def wrap(items: Iterable[Any], total: int) -> Iterable[Any]:
        from tqdm import tqdm

        return tqdm(items, total=total, desc=label, unit="utt", disable=None)

    return wrap


def report(done: Extracted, options: Options) -> None:
    """What one directory came to, and what was done to its audio."""
    if done.resampled:
        click.echo(f"{done.archive}: resampled {done.resampled} of {done.recordings} recordings to {options.rate} Hz")
    if done.several_channels:
        what = "the mean of all channels" if options.channel == "mix" else f"channel {options.channel}"
        click.echo(f"{done.archive}: took {what} of {done.several_channels} of {done.recordings} recordings")
    hours = f"{done.seconds / 3600:.2f} h" if done.seconds >= 360 else f"{done.seconds:.1f} s"
    size = f"{done.utterances} utterances, {hours}, {done.frames} frames of {done.dim}"
    click.echo(f"{done.archive}: {'done already, ' if done.skipped else ''}{size}")


@features_group.command("stats")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per archive, a line each.")
def stats(paths: tuple[Path, ...], as_json: bool) -> None:
    """Summarise archives (or the archives of data directories), and verify every utterance's digest.

    \b
      dstoolkit features stats data/train data/dev/features.h5
    """
    import json

    from dstoolkit.pipeline import feature_report

    for path in paths:
        summary = feature_report.summarise(feature_report.locate(path))
        click.echo(json.dumps(summary) if as_json else feature_report.lines(summary))


@features_group.command("show")
@click.argument("path", type=FOLDER)
@click.argument("utterance", required=False)
@click.option("--out", required=True, type=FOLDER, help="The picture to write, a PNG file.")
def show(path: Path, utterance: str | None, out: Path) -> None:
    """Draw an utterance's features (by default the first's) with its text.

    PATH is an archive or a data directory; the text is that of the 'text' file beside the archive.

    \b
      dstoolkit features show data/train utt-017 --out utt-017.png
    """
    from dstoolkit.pipeline import feature_report

    name = feature_report.draw(feature_report.locate(path), utterance, out)
    click.echo(f"{out}: {name}")
