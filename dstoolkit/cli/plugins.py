"""``dstoolkit plugins``: what is installed, what became of it, whether it keeps its contract, and new ones.

``show`` and ``new`` have files of their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstoolkit.cli.plugins_new import new_command
from dstoolkit.cli.plugins_show import provisions, show_command, state
from dstoolkit.errors import ConfigError, PluginError
from dstoolkit.interfaces import Command
from dstoolkit.plugins import KINDS, LIST_ADVICE, Entry, Registry

if TYPE_CHECKING:
    from dstoolkit.testing import Outcome, Subject

FAILED = 2  # exit status: a plugin breaks its contract


class PluginsCommand(Command):
    name = "plugins"
    help = "List, show, check and begin plugins."

    @staticmethod
    def click_command() -> click.Command:
        return plugins_group


@click.group("plugins")
def plugins_group() -> None:
    """List, show, check and begin plugins.

    Everything that can vary (features, augmentations, encoders, losses, decoders, tokenizers, corpora, commands) is a
    plugin, ours too. A plugin is a Python package with an entry point in the group 'dstoolkit'; installing it is
    enough. 'dstoolkit plugins show' says what options one has, 'dstoolkit plugins new' writes one to start from. Set
    DSTOOLKIT_DISABLE_PLUGINS=a,b to leave plugins (or distributions) out.
    """


plugins_group.add_command(new_command)
plugins_group.add_command(show_command)


@plugins_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def list_command(as_json: bool) -> None:
    """Show every installed plugin: where it comes from, its state, and what it provides.

    The state is ok, blocked, or failed with the reason; a failed plugin stops no other. Names that two plugins claim
    are listed at the end: neither is used until one is uninstalled or blocked.

    \b
    Example:
      dstoolkit plugins list
      DSTOOLKIT_DISABLE_PLUGINS=quartz dstoolkit plugins list --json
    """
    from dstoolkit import plugins

    registry = plugins.load()
    conflicts = [str(each) for each in registry.conflicts()]  # this looks up every kind, and so fills 'provides'
    if as_json:
        listed = {"plugins": [as_dict(each) for each in registry.entries], "conflicts": conflicts}
        click.echo(json.dumps(listed, indent=1))
        return
    for entry in registry.entries:
        click.echo(f"{entry.name} ({entry.distribution} {entry.version}): {state(entry.status, entry.why)}")
        for kind, names in provisions(entry.provides, entry.hooks).items():
            click.echo(f"  {kind + ':':<16}{', '.join(names)}")
    for conflict in conflicts:
        click.echo(f"conflict: {conflict}")


def as_dict(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "distribution": entry.distribution,
        "version": entry.version,
        "module": entry.module,
        "status": entry.status,
        "why": entry.why,
        "provides": {kind: sorted(names) for kind, names in entry.provides.items()},
        "hooks": entry.hooks,
    }


@plugins_group.command("check")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only the plugin of this kind, where several share NAME.")
@click.option("--set", "overrides", multiple=True, metavar="OPTION=VALUE", help="An option other than its default.")
@click.option("--folder", type=click.Path(path_type=Path), help="For a corpus: where it is, to check its preparation.")
def check_command(name: str, kind: str | None, overrides: tuple[str, ...], folder: Path | None) -> None:
    """Run the contract kit on the plugin called NAME (an encoder, a tokenizer, ...).

    Prints a line per check: ok, failed with the reason, expected (a failure that the plugin declares, with its
    reason), skipped, or warned. The exit status is 2 where a check failed.

    \b
    Example:
      dstoolkit plugins check deepspeech
      dstoolkit plugins check deepspeech --set rnn=gru --set layers=1
      dstoolkit plugins check yesno --folder waves_yesno
    """
    from dstoolkit import plugins
    from dstoolkit.testing.checks import bind

    outcomes = []
    for subject in subjects(plugins.load(), name, kind, overrides, folder):
        click.echo(f"{subject.label}:")
        for bound in bind(subject):
            outcomes.append(bound.outcome())
            click.echo(f"  {line(outcomes[-1])}")
    click.echo(summary(outcomes))
    if any(each.status == "failed" for each in outcomes):
        raise click.exceptions.Exit(FAILED)


def line(outcome: Outcome) -> str:
    why = f": {outcome.why}" if outcome.why else ""
    return f"{outcome.status:<9}{outcome.check}{why}"


def summary(outcomes: list[Outcome]) -> str:
    """``21 checks: 19 ok, 1 failed, 1 skipped``."""
    counts = dict.fromkeys(("ok", "failed", "expected", "warned", "skipped"), 0)
    for each in outcomes:
        counts[each.status] += 1
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    return f"{len(outcomes)} checks: {told}"


def subjects(
    registry: Registry, name: str, kind: str | None, overrides: tuple[str, ...], folder: Path | None
) -> list[Subject]:
    """The plugins called ``name``, of one kind or of all. Raises PluginError where there is none, or two of a kind."""
    kinds = [each for each in ([kind] if kind else KINDS) if name in registry.names(each)]
    if not kinds:
        known = {known for each in ([kind] if kind else KINDS) for known in registry.names(each)}
        raise PluginError("", f"no plugin {name!r} (have: {', '.join(sorted(known))})", registry.not_ok(), LIST_ADVICE)
    return [subject(registry, each, name, overrides, folder) for each in kinds]


def subject(registry: Registry, kind: str, name: str, overrides: tuple[str, ...], folder: Path | None) -> Subject:
    from dstoolkit import config
    from dstoolkit.testing import Subject

    cls = registry.get(kind, name)
    if kind == "commands":
        if overrides:
            raise ConfigError("--set", f"command {name!r} has no options", "expected none")
        return Subject(cls)
    options = config.build(cls.Config, config.load(None, overrides), f"{KINDS[kind].singular} {name!r}")
    return Subject(cls, options, folder)
