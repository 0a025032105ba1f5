"""The options that say what is done to texts before they are compared; ``score`` and ``score compare`` share them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)

OPTIONS = (
    click.option("--case", type=click.Choice(["keep", "lower", "upper"]), help="Letters of both sides in one case."),
    click.option("--punctuation", type=click.Choice(["keep", "remove"]), help="Punctuation of both sides."),
    click.option("--glm", "rules", type=EXISTING, help="Substitutions for both sides: rules 'A => B' as NIST's GLM."),
    click.option("--config", "config_path", type=EXISTING, help="Normalise both sides as its section 'text' says."),
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override it: --set text.case=keep."),
)


alignment_option = click.option(
    "--alignment",
    type=click.Choice(["levenshtein", "sclite"]),
    default="levenshtein",
    show_default=True,
    help="The fewest edits, or sclite's weights and its choice among ties.",
)


def text_options(command: F) -> F:
    """Adds the options; the command takes ``case, punctuation, rules, config_path, overrides``, the keywords of
    ``dstoolkit.pipeline.transcripts.choose``."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command
