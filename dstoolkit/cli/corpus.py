"""``dstoolkit corpus``: what corpora there are, fetching them, and making data directories of them."""

from __future__ import annotations

from pathlib import Path

import click

from dstoolkit.interfaces import Command

FOLDER = click.Path(file_okay=False, path_type=Path)


class CorpusCommand(Command):
    name = "corpus"
    help = "List, fetch and prepare corpora."

    @staticmethod
    def click_command() -> click.Command:
        return corpus_group


@click.group("corpus")
def corpus_group() -> None:
    """List, fetch and prepare corpora.

    A corpus comes from its public source, or from a folder you have (--corpus DIR), and becomes three Kaldi data
    directories. Yours may be one: see 'dstoolkit data import'.

    \b
      dstoolkit corpus list
      dstoolkit corpus prepare yesno --out data
      dstoolkit corpus prepare prompts --set lang=es --out data --cache ~/downloads
    """


cache_option = click.option(
    "--cache", type=FOLDER, default=Path("downloads"), show_default=True, help="Where downloads are kept."
)
set_option = click.option(
    "--set", "overrides", multiple=True, metavar="OPTION=VALUE", help="An option of the corpus; see 'corpus list'."
)


@corpus_group.command("list")
def list_corpora() -> None:
    """Name the corpora, their sources, licences and options with the defaults.

    \b
      dstoolkit corpus list
    """
    from dstoolkit import config, plugins

    registry = plugins.load()
    for name in registry.names("corpora"):
        cls = registry.get("corpora", name)
        click.echo(f"{name}: {cls.source}; {cls.licence}")
        for option, value in config.plain(cls.Config()).items():
            click.echo(f"    --set {option}={value}")


@corpus_group.command("fetch")
@click.argument("name")
@cache_option
@set_option
def fetch(name: str, cache: Path, overrides: tuple[str, ...]) -> None:
    """Download and unpack the corpus NAME.

    An interrupted download goes on where it stopped; what is there already is not fetched again.

    \b
      dstoolkit corpus fetch librispeech --set size=100 --cache /data/downloads
    """
    from dstoolkit.corpora import preparation

    corpus, _ = preparation.choose(name, overrides)
    click.echo(f"{name}: {preparation.find(corpus, None, cache)}")


@corpus_group.command("prepare")
@click.argument("name")
@click.option("--out", type=FOLDER, required=True, help="Data directories are made below it: train, dev, test.")
@click.option("--corpus", "folder", type=FOLDER, help="The corpus is here, unpacked or as archives: fetch nothing.")
@cache_option
@set_option
@click.option("--force", is_flag=True, help="Make the data directories anew.")
def prepare(name: str, out: Path, folder: Path | None, cache: Path, overrides: tuple[str, ...], force: bool) -> None:
    """Make data directories of the corpus NAME, fetching it first if it is not there.

    The split is the same on every machine. What is left out is counted below the directories.

    \b
      dstoolkit corpus prepare prompts --out data
      dstoolkit corpus prepare an4 --corpus /data/an4 --set form=mfc --out data
    """
    import sys

    from dstoolkit.corpora import preparation

    corpus, options = preparation.choose(name, overrides)
    if folder is not None:
        preparation.check_folder(folder)
    found = preparation.find(corpus, folder, cache)
    splits, notes = preparation.prepare(corpus, options, found, out, force, progress=sys.stderr.isatty())
    for line in [*splits, *notes]:
        click.echo(str(line))
