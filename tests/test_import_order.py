"""Imports go down the house's order only, and the light doors stay light.

errors < config, stamp, hookspecs, compiled < interfaces < plugins and the rooms < pipeline < corpora, training
< testing < cli (of one level: no import of each other).
Those of one level do not import each other, so neither do the rooms. Imports inside functions count. Two files have a
reason to differ: ``builtins.py`` registers what lies above it, and ``hookspecs.py`` names the classes of
``interfaces.py`` in types that only type checkers read.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "dstoolkit"
LEVELS = [
    {"errors"},
    {"config", "stamp", "hookspecs", "compiled"},
    {"interfaces"},
    {"plugins", "data", "features", "text", "models", "ctc", "decoding", "scoring"},
    {"pipeline"},
    {"corpora", "training"},
    {"testing"},
    {"cli"},
]
LEVEL = {room: at for at, rooms in enumerate(LEVELS) for room in rooms}
EXCEPTIONS = {"builtins", "__main__"}
HEAVY = {"torch", "numba", "numpy", "h5py", "matplotlib", "scipy", "ruamel", "soundfile", "sentencepiece"}


def of_types_only(tree: ast.AST) -> set[ast.AST]:
    """What stands below ``if TYPE_CHECKING:``."""
    blocks = [each for each in ast.walk(tree) if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"]
    return {inner for block in blocks for statement in block.body for inner in ast.walk(statement)}


def imported(path: Path, tree: ast.AST) -> Iterator[tuple[int, str, ast.AST]]:
    """The line and room of every import of ours, wherever it stands."""
    package = [PACKAGE.name, *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(tree):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, node.module] if node.module else base)
            modules = [f"{source}.{alias.name}" for alias in node.names]
        for module in modules:
            if module.startswith("dstoolkit."):
                yield node.lineno, module.split(".")[1], node


def violations(path: Path, text: str) -> list[str]:
    """``line: room imports room`` for every import that goes up or sideways."""
    room = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if room in EXCEPTIONS:
        return []
    tree = ast.parse(text)
    exempt = of_types_only(tree) if room == "hookspecs" else set()
    return [
        f"{path.relative_to(PACKAGE)}:{line}: {room} imports {other}"
        for line, other, node in imported(path, tree)
        if other != room and other in LEVEL and LEVEL[other] >= LEVEL.get(room, 0) and node not in exempt
    ]


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_file_lies_in_a_room_of_the_order() -> None:
    rooms = {each.relative_to(PACKAGE).with_suffix("").parts[0] for each in FILES}
    assert rooms == LEVEL.keys() | EXCEPTIONS | {"__init__"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    assert violations(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("data/a.py", "from dstoolkit import config", []),
        ("data/a.py", "from dstoolkit.data.b import x", []),
        ("data/a.py", "from dstoolkit.text import normalize", ["data/a.py:1: data imports text"]),
        ("data/a.py", "def f():\n    import dstoolkit.training.trainer", ["data/a.py:2: data imports training"]),
        ("data/a.py", "from dstoolkit import plugins", ["data/a.py:1: data imports plugins"]),
        ("data/a.py", "from ..cli import main", ["data/a.py:1: data imports cli"]),
        ("data/a.py", "from .. import errors, text", ["data/a.py:1: data imports text"]),
        ("data/a.py", "from . import b", []),
        ("config.py", "from dstoolkit import stamp", ["config.py:1: config imports stamp"]),
        ("corpora/a.py", "import dstoolkit.training", ["corpora/a.py:1: corpora imports training"]),
        ("hookspecs.py", "if TYPE_CHECKING:\n    from dstoolkit.interfaces import Run", []),
        ("data/a.py", "if TYPE_CHECKING:\n    from dstoolkit.text import x", ["data/a.py:2: data imports text"]),
        ("__init__.py", "from dstoolkit import errors", ["__init__.py:1: __init__ imports errors"]),
    ],
)
def test_the_test_sees_what_it_should(path: str, text: str, found: list[str]) -> None:
    assert violations(PACKAGE / path, text) == found


@pytest.mark.parametrize(
    "statement",
    [
        "import dstoolkit",
        "import dstoolkit.interfaces, dstoolkit.hookspecs, dstoolkit.plugins",
        "from dstoolkit.cli.main import cli; cli.main(['--help'], standalone_mode=False)",
        "from dstoolkit.cli.main import cli; cli.main(['--version'], standalone_mode=False)",
        "from dstoolkit.cli.main import cli; cli.main(['train', '--help'], standalone_mode=False)",
        "from dstoolkit.cli.main import cli; cli.main(['features', 'extract', '--help'], standalone_mode=False)",
        "from dstoolkit.cli.main import cli; cli.main(['data', 'validate', '--help'], standalone_mode=False)",
    ],
)
def test_light_doors_load_nothing_heavy(statement: str) -> None:
    script = f"import contextlib, io, json, sys\nwith contextlib.redirect_stdout(io.StringIO()):\n    {statement}\n"
    script += "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(json.loads(ran.stdout))
