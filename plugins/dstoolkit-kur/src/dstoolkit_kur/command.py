"""``dstoolkit kur``: what a Kurfile says, and the network it describes."""

from __future__ import annotations

from pathlib import Path

import click

from dstoolkit.interfaces import Command

FILE = click.Path(path_type=Path)
SECTIONS = ("train", "validate", "test", "evaluate")


class KurCommand(Command):
    name = "kur"
    help = "Read Kurfiles: show them evaluated, build their models."

    @staticmethod
    def click_command() -> click.Command:
        return kur_group


@click.group("kur")
def kur_group() -> None:
    """Kurfiles, the experiments of Deepgram's Kur: read with includes, expressions, loops and templates.

    \b
      dstoolkit kur dump speech.yml
      dstoolkit kur build speech.yml --input-dim 161
      dstoolkit kur data speech.yml --section test
    """


@kur_group.command("dump")
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of YAML.")
def dump(file: Path, as_json: bool) -> None:
    """Print the Kurfile as one file: included files merged, expressions evaluated, the model without operators."""
    from dstoolkit_kur.kurfile import Kurfile

    click.echo(Kurfile.load(file).dump("json" if as_json else "yaml"), nl=False)


@kur_group.command("build")
@click.argument("file", type=FILE)
@click.option("--input-dim", type=click.IntRange(min=1), help="Values of a frame, where the model's input says none.")
@click.option(
    "--output", default="", help="The output to build for, where the model has several; else those of 'loss'."
)
def build(file: Path, input_dim: int | None, output: str) -> None:
    """Build the model's network; print its layers, the shapes of their outputs, and how many parameters they have."""
    from dstoolkit_kur import losses, model
    from dstoolkit_kur.kurfile import Kurfile

    kurfile = Kurfile.load(file)
    more: tuple[str, ...] = ()
    if not output and kurfile.section("loss") and len(model.outputs(kurfile.layers())) > 1:
        trained = losses.read(kurfile.section("loss"), kurfile.layers(), str(file))
        output, more = trained.output, trained.more
    for note in kurfile.backend.notes:
        click.echo(note, err=True)
    if input_dim is None and model.stated_dim(kurfile.layers()) is None:
        told = f"{file}: frames of {model.USUAL_DIM} values, as neither 'input: {{shape: [...]}}' nor --input-dim says"
        click.echo(told, err=True)
    built = model.build(kurfile, input_dim, output, more=more)
    click.echo(model.text(built.rows))
    if any(end.logits for end in built.network.ends):
        click.echo("the softmax is a part of the loss")


@kur_group.command("data")
@click.argument("file", type=FILE)
@click.option("--section", type=click.Choice(SECTIONS), default="train", show_default=True, help="Whose data.")
@click.option("--number", type=click.IntRange(min=0), default=10, show_default=True, help="Utterances to show.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a value of FILE.")
def data(file: Path, section: str, number: int, overrides: tuple[str, ...]) -> None:
    """Prepare a section's data, and show some of it: seconds, shapes, texts as the network is to write them."""
    from dstoolkit_kur import supplier
    from dstoolkit_kur.kurfile import Kurfile
    from dstoolkit_kur.sections import needed
    from dstoolkit_kur.training import Places

    kurfile = Kurfile.load(file, overrides)
    work, seed = Places.of(file).work, kurfile.seed or 0
    trained = supplier.supply(needed(kurfile, "train"), "train", work, seed)
    prepared = trained
    if section != "train":
        prepared = supplier.supply(needed(kurfile, section), section, work, seed, trained)
    for line in supplier.show(prepared, number):
        click.echo(line)
