"""``dstoolkit plugins new``: a plugin package to start from, which installs and passes its tests as it is.

Its files are rendered from the templates beside this module: ``templates/package`` has what all packages share, and
``templates/KIND`` the plugin itself, its tests and its part of the README. A value that a template asks for and nobody
gives is an error.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from dstoolkit import __version__, config, hookspecs, plugins, stamp
from dstoolkit.errors import ConfigError, PluginError, StampError
from dstoolkit.plugins import KINDS, Registry

TEMPLATES = Path(__file__).resolve().parent / "templates"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Use:
    """How a plugin is used: where, and the line to write there, ``NAME`` for its name."""

    where: str
    line: str
    language: str = ""  # of the line, in Markdown; none: a shell's


@dataclass(frozen=True)
class Template:
    """What is special about the package of a kind: ``kind`` as in ``plugins.KINDS``, what its plugin does, how it is
    used, and what it needs beside dstoolkit, with lower bounds as in our setup.py."""

    kind: str
    summary: str
    use: Use
    requires: tuple[str, ...] = ()


def in_config(section: str) -> Use:
    return Use("in a configuration", f"{section}: {{name: NAME}}", "yaml")


TEMPLATE: Mapping[str, Template] = {
    "encoder": Template(
        "encoders", "A convolution over time, then dense layers per frame", in_config("encoder"), ("torch>=2.4",)
    ),
    "features": Template(
        "features", "Log energies of equal bands of the spectrum", in_config("features"), ("numpy>=1.26",)
    ),
    "augmentation": Template(
        "augmentations",
        "Bands of frequency change places",
        Use("in a configuration", "augment: {plugins: [NAME]}", "yaml"),
        ("numpy>=1.26",),
    ),
    "loss": Template("losses", "The focal CTC loss", in_config("loss"), ("torch>=2.4",)),
    "decoder": Template("decoders", "Greedy decoding with a bonus for tokens", in_config("decoder"), ("torch>=2.4",)),
    "tokenizer": Template("tokenizers", "Characters, and doubled ones as one token", in_config("tokenizer")),
    "corpus": Template(
        "corpora",
        "Recordings of your own, a wav and a txt file each",
        Use("on your recordings in DIR", "dstoolkit corpus prepare NAME --corpus DIR --out data"),
    ),
    "command": Template(
        "commands",
        "Word counts of a data directory",
        Use("on a data directory", "dstoolkit NAME data/train"),
        ("click>=8.1",),
    ),
}


@click.command("new")
@click.argument("name")
@click.option("--kind", required=True, metavar="|".join(TEMPLATE), help="What the plugin is.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("."),
    show_default="the current folder",
    help="The folder in which dstoolkit-NAME is made.",
)
@click.option("--force", is_flag=True, help="Replace the folder dstoolkit-NAME and all that is in it.")
def new_command(name: str, kind: str, out: Path, force: bool) -> None:
    """Write a whole plugin package, dstoolkit-NAME, to start your own from.

    It is small and real: it can be installed, used by NAME, and passes its tests and the contract kit. Make it yours
    from there. A name is lower-case letters and digits, with hyphens between them.

    \b
    Example:
      dstoolkit plugins new gated --kind encoder
      dstoolkit plugins new radio --kind corpus --out ~/plugins
    """
    check_kind(kind)
    check_name(name)
    check_free(plugins.load(), name, kind)
    folder = out / f"dstoolkit-{name}"
    if os.path.lexists(folder) and not force:
        raise StampError(folder, "is there already", "", "choose another name or --out, or pass --force to replace it")
    with stamp.building(folder) as partial:
        write(partial, render(name, kind))
    click.echo(next_steps(name, kind, folder))


def check_kind(kind: str) -> None:
    """Raises ConfigError for a kind that there is not."""
    if kind not in TEMPLATE:
        raise ConfigError("--kind", f"no kind {kind!r}", config.nearest(kind, TEMPLATE))


def check_name(name: str) -> None:
    """Raises ConfigError for what cannot name a distribution, a module and a plugin at once."""
    if not NAME.fullmatch(name):
        raise ConfigError(
            "", f"plugin name {name!r}", "expected lower-case letters and digits, with hyphens between them"
        )
    if config.parse_value(name) != name:  # null, true, false
        raise ConfigError("", f"plugin name {name!r}", "expected no name that YAML reads as a value")


def check_free(registry: Registry, name: str, kind: str) -> None:
    """Raises PluginError where an installed plugin of that kind has the name, or a distribution that of the package."""
    advice = "choose another name, or uninstall that one"
    for owner, _ in registry.owners(TEMPLATE[kind].kind, name):
        raise PluginError(f"{kind} {name!r}", f"is registered already, by '{owner.distribution}'", "", advice)
    if any(each.distribution == f"dstoolkit-{name}" for each in registry.entries):
        raise PluginError(f"package 'dstoolkit-{name}'", "is installed already", "", advice)


def package(name: str) -> str:
    """The package that is imported: ``my-net`` -> ``dstoolkit_my_net``."""
    return f"dstoolkit_{name.replace('-', '_')}"


def class_name(name: str, interface: str) -> str:
    """``my-net``, ``Encoder`` -> ``MyNetEncoder``; ends with the interface's name, and is never that itself."""
    words = "".join(word.capitalize() for word in name.split("-"))
    return words if words.endswith(interface) and words != interface else words + interface


def render(name: str, kind: str) -> dict[str, str]:
    """The package's files: path below its folder -> content."""
    import jinja2

    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    values = variables(name, kind)
    return {path: environment.get_template(each).render(values) for path, each in files(name, kind).items()}


def files(name: str, kind: str) -> dict[str, str]:
    """path below the package's folder -> its template."""
    source = f"src/{package(name)}"
    return {
        "pyproject.toml": "package/pyproject.toml.jinja",
        "README.md": "package/README.md.jinja",
        f"{source}/__init__.py": "package/__init__.py.jinja",
        f"{source}/plugin.py": "package/plugin.py.jinja",
        f"{source}/{kind}.py": f"{kind}/{kind}.py.jinja",
        "tests/test_contract.py": f"{kind}/test_contract.py.jinja",
    }


def variables(name: str, kind: str) -> dict[str, object]:
    """What the templates may name."""
    template = TEMPLATE[kind]
    known = KINDS[template.kind]
    return {
        "name": name,
        "package": package(name),
        "cls": class_name(name, known.interface.__name__),
        "kind": kind,
        "plural": template.kind,
        "interface": known.interface.__name__,
        "hook": known.hook,
        "api": hookspecs.API,
        "version": __version__,
        "summary": template.summary,
        "requires": template.requires,
        "use": {"where": template.use.where, "line": use_line(name, kind), "language": template.use.language},
    }


def use_line(name: str, kind: str) -> str:
    return TEMPLATE[kind].use.line.replace("NAME", name)


def write(folder: Path, contents: Mapping[str, str]) -> None:
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")


def next_steps(name: str, kind: str, folder: Path) -> str:
    lines = [
        f"{folder}: the {kind} '{name}' in {folder.name}/src/{package(name)}/{kind}.py, its tests and a README",
        "next:",
        f"  pip install -e {shlex.quote(f'{folder}[test]')}",
        f"  dstoolkit plugins check {name}",
        f"  pytest {shlex.quote(str(folder))}",
        f"then {TEMPLATE[kind].use.where}:",
        f"  {use_line(name, kind)}",
    ]
    return "\n".join(lines)
