"""``dstoolkit model``: a trained recogniser as one file: packed, looked at, verified, sent and fetched."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from dstoolkit.interfaces import Command

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


class ModelCommand(Command):
    name = "model"
    help = "Share trained recognisers: pack, show, verify, push, pull."

    @staticmethod
    def click_command() -> click.Command:
        return model_group


@click.group("model")
def model_group() -> None:
    """A trained recogniser as one file, a bundle, that transcribes wherever it is brought.

    \b
      dstoolkit model pack exp/deepspeech --licence CC-BY-4.0
      dstoolkit model show exp/deepspeech.dstk
      dstoolkit model push exp/deepspeech.dstk hf://USER/REPO/
      dstoolkit model pull hf://USER/REPO/deepspeech.dstk
    """


@model_group.command("pack")
@click.argument("exp", type=FOLDER)
@click.option("--out", type=FILE, help="The bundle.  [default: EXP.dstk]")
@click.option("--licence", help="What others may do with it: CC-BY-4.0, say. Must be given.")
@click.option("--name", help="Its name.  [default: EXP's last part]")
@click.option("--notes", type=FILE, help="Markdown for the card: what it was trained on, what it is for, its limits.")
@click.option("--config", "config_path", type=FILE, help="YAML file whose section 'decoder' counts.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="decoder=NAME or decoder.OPTION=VALUE.")
@click.option("--lm", type=FILE, help="Language model, an ARPA file, to take along for the decoder 'beam'.")
@click.option("--force", is_flag=True, help="Replace a bundle that is there.")
def pack_command(
    exp: Path,
    out: Path | None,
    licence: str | None,
    name: str | None,
    notes: Path | None,
    config_path: Path | None,
    overrides: tuple[str, ...],
    lm: Path | None,
    force: bool,
) -> None:
    """Make one file of the recogniser in EXP: weights, configuration, tokenizer, normalisation, results.

    Its decoder is chosen as in 'dstoolkit decode', and the files that it reads come along.

    \b
      dstoolkit model pack exp/deepspeech --licence CC-BY-4.0
      dstoolkit model pack exp/deepspeech --licence CC0-1.0 \\
          --config exp/deepspeech/tune/best.yaml --notes about.md
    """
    from dstoolkit import stamp
    from dstoolkit.errors import ConfigError, DataError
    from dstoolkit.pipeline import bundle, decoder_choice, packing
    from dstoolkit.pipeline.recognition import experiment_of

    if licence is None:
        advice = "that of the speech it was trained on may bind you"
        raise ConfigError("--licence", "not given", "expected the licence of the model, such as CC-BY-4.0", advice)
    if not (exp / "best.pt").exists():
        raise DataError(exp, "no 'best.pt'", "expected a training's folder", "run 'dstoolkit train' first")
    path = exp.resolve()
    default = experiment_of(exp).decoder
    decoder = decoder_choice.choose(default, config_path, overrides, {"lm": str(lm) if lm else None})
    text = notes.read_text(encoding="utf-8") if notes else ""
    out = out or path.with_name(f"{path.name}{bundle.SUFFIX}")
    packing.pack(exp, out, packing.Labels(name or path.name, licence, text), decoder, force)
    click.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, sha256 {stamp.digest(out)}")


@model_group.command("show")
@click.argument("bundle", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def show_command(bundle: Path, as_json: bool) -> None:
    """What is in BUNDLE: its licence, input, sizes, results, the plugins it needs.

    \b
      dstoolkit model show deepspeech.dstk
    """
    from dstoolkit import config, stamp
    from dstoolkit.pipeline import model_card
    from dstoolkit.pipeline.bundle import RESULTS, Bundle

    with Bundle(bundle) as opened:
        manifest, results = opened.manifest, opened.read_json(RESULTS)
        size, sha256 = bundle.stat().st_size, stamp.digest(bundle)
        if as_json:
            shown = {**config.plain(manifest), "results": results, "size": size, "sha256": sha256}
            click.echo(json.dumps(shown, indent=1, ensure_ascii=False))
            return
        click.echo(f"{manifest.name}, packed by dstoolkit {manifest.dstoolkit}")
        for label, value in model_card.describe(manifest).items():
            click.echo(f"  {label + ':':<10}{value}")
        click.echo("\n".join(["results:", *(f"  {line}" for line in model_card.told(results))]))
        click.echo(f"{len(opened.members)} members, {size / 1e6:.1f} MB, sha256 {sha256}")


@model_group.command("verify")
@click.argument("bundle", type=FILE)
@click.option("--sha256", default="", metavar="HEX", help="What the whole file must have.")
def verify_command(bundle: Path, sha256: str) -> None:
    """Check all of BUNDLE: its form, every digest, the plugins it needs, and that it makes a recogniser here.

    \b
      dstoolkit model verify deepspeech.dstk
    """
    from dstoolkit.pipeline import bundle as bundles
    from dstoolkit.pipeline import exchange, requirements
    from dstoolkit.pipeline.transcription import make_decoder

    with bundles.Bundle(bundle) as opened:
        exchange.check_sha256(bundle, bundle, sha256)
        opened.verify()
        count, required = len(opened.members), opened.manifest.plugins
    recogniser = bundles.load(bundle)
    make_decoder(recogniser.experiment.decoder, recogniser.vocabulary)
    for note in requirements.notes(required):
        click.echo(f"note: {note}")
    click.echo(f"{bundle}: {count} members as they were packed; all plugins are here; it loads")


@model_group.command("push")
@click.argument("bundle", type=FILE)
@click.argument("url")
@click.option("--force", is_flag=True, help="Replace what is there.")
def push_command(bundle: Path, url: str, force: bool) -> None:
    """Copy BUNDLE to URL: file://, s3://BUCKET/KEY, hf://USER/REPO/NAME, a path, or what else fsspec knows.

    A URL that ends in '/' is a folder. Keys and tokens are those that the storage's own tools use.

    \b
      dstoolkit model push deepspeech.dstk s3://bucket/models/
    """
    from dstoolkit.pipeline import exchange

    with transfer("push", bundle.stat().st_size if bundle.exists() else None) as progress:
        place = exchange.push(bundle, url, force, progress)
    click.echo(f"{place}: pushed")


@model_group.command("pull")
@click.argument("url")
@click.option("--out", metavar="FILE|FOLDER/", help="Where to.  [default: the same name, here]")
@click.option("--sha256", default="", metavar="HEX", help="What the whole file must have.")
@click.option("--force", is_flag=True, help="Replace what is there.")
def pull_command(url: str, out: str | None, sha256: str, force: bool) -> None:
    """Copy the bundle at URL here. It is verified before it appears.

    \b
      dstoolkit model pull hf://USER/REPO/deepspeech.dstk
      dstoolkit model pull s3://bucket/models/deepspeech.dstk --out models/
    """
    from dstoolkit.pipeline import exchange

    with transfer("pull", None) as progress:
        path = exchange.pull(url, out, sha256, force, progress)
    click.echo(f"{path}: pulled, {path.stat().st_size / 1e6:.1f} MB, every digest right")


@contextmanager
def transfer(what: str, total: int | None) -> Iterator[Callable[[int], Any]]:
    """A bar on a terminal, of bytes."""
    from tqdm import tqdm

    with tqdm(desc=what, total=total, unit="B", unit_scale=True, leave=False, disable=None) as bar:
        yield bar.update
