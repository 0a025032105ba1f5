"""Writes the reference of the plugin API from its source: every hook, every kind's abstract class, every record.

    python tools/plugin_reference.py          # docs/plugin-reference.md, and the hooks' table in docs/plugins.md
    python tools/plugin_reference.py --check  # writes nothing; exit status 1 and a line for each page that is stale

Signatures, attributes with their comments and docstrings are taken from ``dstoolkit/hookspecs.py`` and
``dstoolkit/interfaces.py`` as they stand there, so the result follows from these files alone. Whether a hook collects,
chooses or observes is asked of pluggy's options and of what it returns. A docstring of a hook says ``Called ...`` and
``Since API N``; one that does not is a ValueError here.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the checkout's own, whatever is installed

from dstoolkit import hookspecs, interfaces, plugins  # noqa: E402

REFERENCE = Path("docs/plugin-reference.md")
GUIDE = Path("docs/plugins.md")
BEGIN = "<!-- the hooks, written by tools/plugin_reference.py -->"
END = "<!-- end of the hooks -->"

HEAD = f"""# The plugin API, name by name

Written by `tools/plugin_reference.py` from `dstoolkit/hookspecs.py` and `dstoolkit/interfaces.py`: change those, then
run it. [plugins.md](plugins.md) is the guide, and [plugin-tutorial.md](plugin-tutorial.md) the way in.

This is API {hookspecs.API}, which a plugin's module states as `DSTOOLKIT_API = {hookspecs.API}`. Shapes are written
`(batch, frames, dim)`; audio is float32 in [-1, 1]; times are in seconds, rates in Hz.
"""

MODES = {
    "collecting": "all plugins are asked, and what they return is put together",
    "first result": "the first plugin that does not return None decides; dstoolkit's own answer comes last",
    "observing": "all plugins are told, and nothing is returned; one that raises is warned of",
}


@dataclass(frozen=True)
class Source:
    """A module's text and its tree."""

    text: str
    tree: ast.Module

    @classmethod
    def of(cls, module: ModuleType) -> Source:
        text = inspect.getsource(module)
        return cls(text, ast.parse(text))

    def lines(self, node: ast.stmt) -> str:
        """The lines of a statement, comments included."""
        return textwrap.dedent("\n".join(self.text.splitlines()[node.lineno - 1 : node.end_lineno]))

    def signature(self, node: ast.FunctionDef) -> str:
        """As written, from the decorators but ``abstractmethod`` and pluggy's to what is returned."""
        body = node.body[0]
        lines = self.text.splitlines()[node.lineno - 1 : body.lineno]
        lines[-1] = lines[-1][: body.col_offset]
        written = re.sub(r":\s*(#.*)?$", "", textwrap.dedent("\n".join(lines)).strip())  # no colon, no 'type: ignore'
        kept = [ast.unparse(each) for each in node.decorator_list]
        kept = [f"@{each}" for each in kept if each != "abstractmethod" and not each.startswith("hookspec")]
        return "\n".join([*kept, written])

    def body(self, node: ast.FunctionDef) -> str:
        """What it does, without its docstring."""
        return "\n".join(self.lines(each) for each in node.body[1 if ast.get_docstring(node) else 0 :])


@dataclass(frozen=True)
class Hook:
    """One hook, as its specification says it."""

    name: str
    signature: str
    parameters: tuple[str, ...]
    returns: str
    mode: str  # of MODES
    called: str  # "when ...", without a full stop
    since: int
    text: str


def hooks() -> Iterator[Hook]:
    source = Source.of(hookspecs)
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("dstoolkit_"):
            text = documentation(node)
            called, since = re.search(r"\bCalled\s+([^.]+)\.", text), re.search(r"\bSince\s+API\s+(\d+)\.", text)
            if not called or not since:
                raise ValueError(f"{node.name}: its docstring lacks 'Called ...' or 'Since API N'")
            yield Hook(
                node.name,
                source.signature(node),
                tuple(each.arg for each in node.args.args),
                ast.unparse(node.returns) if node.returns else "None",
                mode(getattr(hookspecs, node.name)),
                " ".join(called[1].split()),
                int(since[1]),
                text,
            )


def mode(hook: Any) -> str:
    """Of MODES: what pluggy was told of it, and whether it returns anything."""
    if getattr(hook, f"{hookspecs.PROJECT}_spec")["firstresult"]:
        return "first result"
    return "observing" if hook.__annotations__["return"] == "None" else "collecting"


def documentation(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The docstring in Markdown, or nothing."""
    return (ast.get_docstring(node) or "").replace("``", "`")


def code(text: str) -> str:
    return f"```python\n{text}\n```\n"


def hook_section(hook: Hook) -> str:
    return f"### `{hook.name}`\n\n{code(hook.signature)}\n*{hook.mode.capitalize()}.* {hook.text}\n"


def table(found: list[Hook], reference: str = "") -> str:
    """One line per hook; ``reference`` is the page that the links go to."""
    rows = [
        f"| [`{each.name}`]({reference}#{each.name})`({', '.join(each.parameters)})` | {each.mode} | {each.called} | "
        f"`{each.returns}` |".replace(" | None`", r" \| None`")
        for each in found
    ]
    return "\n".join(["| hook | kind | called | returns |", "|---|---|---|---|", *rows]) + "\n"


def is_record(node: ast.ClassDef) -> bool:
    return any(ast.unparse(each).startswith("dataclass") for each in node.decorator_list)


def attributes(source: Source, node: ast.ClassDef) -> str:
    return "\n".join(source.lines(each) for each in node.body if isinstance(each, ast.AnnAssign))


def method(source: Source, cls: ast.ClassDef, node: ast.FunctionDef) -> str:
    abstract = any(ast.unparse(each) == "abstractmethod" for each in node.decorator_list)
    head = f"#### `{cls.name}.{node.name}` ({'required' if abstract else 'optional'})"
    written = source.signature(node)
    if not abstract:
        written += ":\n" + textwrap.indent(source.body(node), "    ")
    text = documentation(node)
    return f"{head}\n\n{code(written)}" + (f"\n{text}\n" if text else "")


def class_section(source: Source, node: ast.ClassDef, hook: Hook | None = None) -> str:
    parts = [f"### `{node.name}`\n", documentation(node) + "\n"]
    if hook:
        parts.append(f"Registered by [`{hook.name}`](#{hook.name}), since API {hook.since}.\n")
    if found := attributes(source, node):
        parts.append(code(found))
    public = [each for each in node.body if isinstance(each, ast.FunctionDef)]
    parts += [method(source, node, each) for each in public if not re.match(r"_[^_]", each.name)]
    return "\n".join(parts)


def reference() -> str:
    """The whole page."""
    source, found = Source.of(interfaces), list(hooks())
    classes = {each.name: each for each in source.tree.body if isinstance(each, ast.ClassDef)}
    registered = {each.name: each for each in found}
    kinds = {kind.interface.__name__: registered[kind.hook] for kind in plugins.KINDS.values()}
    records = [each for each in classes.values() if is_record(each)]
    missed = set(classes) - set(kinds) - {each.name for each in records} - {"Plugin"}
    if missed:
        raise ValueError(f"interfaces.py: {sorted(missed)} is neither a kind of plugins.KINDS nor a record")
    return "\n".join(
        [
            HEAD,
            "## Hooks\n",
            *(f"- {name}: {meaning}" for name, meaning in MODES.items()),
            "",
            table(found),
            *map(hook_section, found),
            "## Kinds\n",
            "What is required must be written. What is optional is shown with what it does unless you write it.\n",
            class_section(source, classes["Plugin"]),
            *(class_section(source, classes[name], hook) for name, hook in kinds.items()),
            "## Records\n",
            *(class_section(source, each) for each in records),
        ]
    )


def guide(text: str) -> str:
    """``docs/plugins.md`` with its table of hooks written anew."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{GUIDE}: expected one line {BEGIN!r} and one line {END!r}")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{table(list(hooks()), REFERENCE.name)}{END}{rest.split(END)[1]}"


def pages(root: Path = ROOT) -> Mapping[Path, str]:
    """path below ``root`` -> what belongs there."""
    return {REFERENCE: reference(), GUIDE: guide((root / GUIDE).read_text(encoding="utf-8"))}


def stale(root: Path = ROOT) -> list[Path]:
    """The pages below ``root`` that are not what belongs there."""
    return [
        path
        for path, text in pages(root).items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a page is stale")
    if parser.parse_args(arguments).check:
        found = stale(root)
        for path in found:
            print(f"{path}: is not what the source says; run 'python tools/plugin_reference.py'")
        return 1 if found else 0
    for path, text in pages(root).items():
        (root / path).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
