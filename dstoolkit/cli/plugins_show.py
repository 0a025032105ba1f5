"""``dstoolkit plugins show``: all that is known of one plugin, or of an entry point or distribution and its state."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from importlib import metadata
from typing import Any

import click

from dstoolkit import config
from dstoolkit.cli.plugins_options import Option, options, written
from dstoolkit.errors import PluginError
from dstoolkit.plugins import KINDS, LIST_ADVICE, Entry, Registry, reason

WIDTH = 100  # columns that text is wrapped to


@click.command("show")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only the plugin of this kind, where several share NAME.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def show_command(name: str, kind: str | None, as_json: bool) -> None:
    """Show what is known of the plugin called NAME: what it is, where it comes from, and its options.

    An option is written as '--set' takes it, with its default. NAME may also be an entry point or a distribution: then
    its state (ok, blocked, or failed with the reason) and all that it registered are shown.

    \b
    Example:
      dstoolkit plugins show deepspeech
      dstoolkit plugins show ctc --kind losses --json
    """
    from dstoolkit import plugins

    registry = plugins.load()
    shown, entries = find(registry, name, kind)
    if as_json:
        click.echo(json.dumps({"plugins": shown, "entry_points": entries}, indent=1, default=repr))
        return
    texts = [*map(plugin_text, shown), *map(entry_text, entries)]
    click.echo("\n\n".join(texts))


def find(registry: Registry, name: str, kind: str | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The plugins called ``name``, and the entry points that are called so or that a distribution called so has.

    ``kind`` asks for plugins of that kind alone. Raises PluginError where nothing is called so, or two of a kind are.
    """
    known = {each: registry.names(each) for each in KINDS}  # every kind is looked up, which fills the entries
    shown = [describe(registry, each, name) for each in KINDS if name in known[each] and kind in (None, each)]
    entries = [] if kind else [entry_dict(registry, each) for each in registry.entries if name_of(each, name)]
    if not shown and not entries:
        words = {word for each in ([kind] if kind else KINDS) for word in known[each]}
        words |= set() if kind else {word for each in registry.entries for word in (each.name, each.distribution)}
        raise unknown(registry, f"no {KINDS[kind].singular if kind else 'plugin'} {name!r}", name, sorted(words))
    return shown, entries


def name_of(entry: Entry, name: str) -> bool:
    """Whether ``name`` is the entry point's or its distribution's, as pip compares them."""
    return name == entry.name or canonical(name) == canonical(entry.distribution)


def canonical(name: str) -> str:
    """A distribution's name with its case and separators made one, as the packaging standards (PEP 503) define it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def unknown(registry: Registry, found: str, name: str, known: list[str]) -> PluginError:
    advice = config.nearest(name, known)
    if advice.startswith("did"):
        return PluginError("", found, advice)
    return PluginError("", f"{found} (have: {', '.join(known) or 'none'})", registry.not_ok(), LIST_ADVICE)


def describe(registry: Registry, kind: str, name: str) -> dict[str, Any]:
    """One plugin, all of it as JSON can hold it. Raises PluginError where two claim the name."""
    cls = registry.get(kind, name)
    ((entry, _),) = registry.owners(kind, name)
    try:
        found = options(cls.Config) if kind != "commands" else []
        failures = {str(check): str(why) for check, why in dict(cls.expected_failures).items()}
    except Exception as error:  # a stranger's default may be made by a function that fails
        raise PluginError(f"{KINDS[kind].singular} {name!r}", f"cannot be described: {reason(error)}") from error
    return {
        "name": name,
        "kind": kind,
        "class": f"{cls.__module__}.{cls.__qualname__}",
        "doc": docstring(cls),
        "attributes": {each: getattr(cls, each) for each in stated(kind) if hasattr(cls, each)},
        **origin(entry),
        "options": [dataclasses.asdict(each) for each in found],
        "expected_failures": failures,
    }


def docstring(cls: type) -> str:
    """Its own, and its module's too where it refers to that."""
    own = inspect.cleandoc(vars(cls).get("__doc__") or "")
    module = inspect.cleandoc(sys.modules[cls.__module__].__doc__ or "") if cls.__module__ in sys.modules else ""
    return f"{own}\n\n{module}" if module and re.search(r"see the module\b", own, re.IGNORECASE) else own


def stated(kind: str) -> list[str]:
    """The class attributes of a kind: a corpus's licence, an augmentation's stage."""
    return [name for name, hint in inspect.get_annotations(KINDS[kind].interface).items() if "ClassVar" in str(hint)]


def origin(entry: Entry) -> dict[str, Any]:
    """Where an entry point comes from."""
    return {
        "distribution": entry.distribution,
        "version": entry.version,
        **about(entry.distribution),
        "entry_point": entry.name,
        "module": entry.module,
        "api": entry.api,
    }


def about(distribution: str) -> dict[str, str]:
    """``home_page`` and ``licence`` of an installed distribution; empty where its metadata has none."""
    try:
        found = metadata.metadata(distribution)
    except metadata.PackageNotFoundError:
        return {"home_page": "", "licence": ""}
    urls = dict(re.split(r"\s*,\s*", each, maxsplit=1) for each in found.get_all("Project-URL") or [] if "," in each)
    homes = [url for label, url in urls.items() if re.sub(r"\W|_", "", label).lower() == "homepage"]
    classified = [each.rpartition("::")[2] for each in found.get_all("Classifier") or [] if each.startswith("License")]
    licences = [found["License-Expression"], found["License"], ", ".join(each.strip() for each in classified)]
    return {"home_page": first([*homes, found["Home-page"]]), "licence": first(licences)}


def first(texts: Iterable[str | None]) -> str:
    """The first line of the first that says anything; old tools write UNKNOWN for nothing."""
    return next((text.strip().splitlines()[0] for text in texts if text and text.strip() not in ("", "UNKNOWN")), "")


def entry_dict(registry: Registry, entry: Entry) -> dict[str, Any]:
    """An entry point: where it comes from, its state, what it registered, and which of these names are in conflict."""
    return {
        **origin(entry),
        "status": entry.status,
        "why": entry.why,
        "provides": {kind: sorted(names) for kind, names in entry.provides.items()},
        "hooks": entry.hooks,
        "conflicts": list(conflicts(registry, entry)),
    }


def conflicts(registry: Registry, entry: Entry) -> Iterator[str]:
    for kind, names in entry.provides.items():
        for name in names:
            try:
                registry.get(kind, name)
            except PluginError as error:
                yield str(error)


def state(status: str, why: str) -> str:
    return f"{status}: {why}" if why else status


def provisions(provides: dict[str, list[str]], hooks: list[str]) -> dict[str, list[str]]:
    """kind -> names, in the order of the kinds, then the other hooks."""
    found = {kind: sorted(provides[kind]) for kind in KINDS if provides.get(kind)}
    return {**found, "hooks": hooks} if hooks else found


def plugin_text(plugin: dict[str, Any]) -> str:
    lines = [f"{KINDS[plugin['kind']].singular} {plugin['name']!r} ({plugin['distribution']} {plugin['version']})"]
    lines += [textwrap.indent(plugin["doc"], "  "), ""] if plugin["doc"] else []
    lines += [row("class", plugin["class"]), *attribute_lines(plugin["attributes"]), *origin_lines(plugin)]
    lines += ["", "  options:" if plugin["options"] else "  no options"] if plugin["kind"] != "commands" else []
    for each in plugin["options"]:
        lines += option_lines(Option(**each))
    lines += ["", "  expected failures:"] if plugin["expected_failures"] else []
    lines += [f"    {check}: {why}" for check, why in plugin["expected_failures"].items()]
    return "\n".join(lines)


def attribute_lines(attributes: dict[str, Any]) -> list[str]:
    """Those that say anything: text as it is, all else as YAML has it."""
    said = {name: config.plain(value) for name, value in attributes.items() if value not in ("", (), [])}
    return [row(name, value if isinstance(value, str) else written(value)) for name, value in said.items()]


def option_lines(option: Option) -> list[str]:
    """``size=256 (a whole number)`` and below it what is said about it."""
    said = textwrap.wrap(option.help, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return [f"    {option.name}={written(option.default)} ({option.type})", *said]


def origin_lines(found: dict[str, Any]) -> list[str]:
    rows = {
        "entry point": f"{found['entry_point']} = {found['module']}",
        "plugin API": "" if found["api"] is None else str(found["api"]),
        "home page": found["home_page"],
        "package licence": found["licence"],
    }
    return [row(label, value) for label, value in rows.items() if value]


def row(label: str, value: str) -> str:
    return f"  {label + ':':<16} {value}"


def entry_text(entry: dict[str, Any]) -> str:
    title = f"entry point {entry['entry_point']!r} ({entry['distribution']} {entry['version']})"
    lines = [f"{title}: {state(entry['status'], entry['why'])}", *origin_lines(entry)]
    for kind, names in provisions(entry["provides"], entry["hooks"]).items():
        lines.append(row(kind, ", ".join(names)))
    return "\n".join([*lines, *(row("conflict", each) for each in entry["conflicts"])])
