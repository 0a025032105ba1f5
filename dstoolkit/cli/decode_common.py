"""What ``dstoolkit decode`` and ``dstoolkit decode tune`` share: their inputs, kept outputs, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dstoolkit.config import Choice
    from dstoolkit.data.archive import Archive
    from dstoolkit.interfaces import Decoder
    from dstoolkit.pipeline.outputs import Source

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
SET_HELP = "decoder=NAME or decoder.OPTION=VALUE."


def decoder_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that choose a decoder: ``config_path``, ``overrides``, ``lm``, ``alpha``, ``beta`` and ``beam``."""
    for option in reversed(
        (
            click.option("--config", "config_path", type=FILE, help="YAML file whose section 'decoder' counts."),
            click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=SET_HELP),
            click.option("--lm", type=FILE, help="Language model, an ARPA file, for the decoder 'beam'."),
            click.option("--alpha", type=float, help="Its weight."),
            click.option("--beta", type=float, help="What each word adds to the score."),
            click.option("--beam", type=int, help="Hypotheses that 'beam' keeps at each frame."),
        )
    ):
        command = option(command)
    return command


def open_source(exp: Path, data: Path, device: str, nj: int) -> Source:
    """The recogniser's folder and the data, both there. Raises DataError, ConfigError or Faults."""
    from dstoolkit.errors import ConfigError
    from dstoolkit.pipeline.outputs import Source
    from dstoolkit.pipeline.recognition import best_device

    source = Source(exp, data, best_device(device))
    source.check()
    if nj > 1 and source.device != "cpu":
        advice = "leave --nj out, or compute on processors with --device cpu"
        raise ConfigError("--nj", f"{nj} processes on {source.device!r}", "expected 1 where a GPU computes", advice)
    return source


def experiments_decoder(source: Source) -> Choice:
    from dstoolkit.pipeline.recognition import experiment_of

    return experiment_of(source.exp).decoder


def decoder_for(source: Source, choice: Choice) -> Decoder:
    """Made before the network runs, so that a language model that does not fit is refused at once."""
    from dstoolkit.pipeline.transcription import make_decoder
    from dstoolkit.pipeline.vocabulary import Vocabulary

    return make_decoder(choice, Vocabulary.load(source.exp / "tokenizer"))


def keep(source: Source, path: Path, nj: int, force: bool) -> None:
    """The network's outputs in ``path``, computed unless they are there, and which of the two on standard output."""
    from dstoolkit.data.archive import Archive
    from dstoolkit.pipeline import outputs

    with progress("network", Archive(source.features)) as advance:
        computed = outputs.keep(source, path, jobs=nj, force=force, progress=advance)
    click.echo(
        f"{path}: " + ("the network's outputs" if computed else "has the network's outputs; it is not run again")
    )


@contextmanager
def progress(what: str, archive: Archive) -> Iterator[Callable[[Any], None]]:
    """A bar on a terminal; what the block is given is to be called with each batch of utterances that is done."""
    from tqdm import tqdm

    done, total = 0.0, archive.durations.sum()
    with tqdm(total=len(archive), desc=what, unit="utterance", leave=False, disable=None) as bar:

        def advance(batch: Any) -> None:
            nonlocal done
            done += archive.durations[batch].sum()
            bar.set_postfix_str(f"{done:.0f} of {total:.0f} s of audio", refresh=False)
            bar.update(len(batch))

        yield advance
