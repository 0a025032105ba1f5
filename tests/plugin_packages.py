"""Makes installed packages for tests: a module and its distribution's metadata in one folder on ``sys.path``."""

from __future__ import annotations

import textwrap
from importlib import metadata
from pathlib import Path

HEAD = """
from dstoolkit.hookspecs import hookimpl
DSTOOLKIT_API = 1
"""

ENCODER = """
@hookimpl
def dstoolkit_register_encoders():
    import dataclasses
    from dstoolkit.interfaces import Encoder

    class Toy(Encoder):
        '''A toy.'''
        name = "{name}"
        Config = dataclasses.make_dataclass("Config", [("size", int, 3)], frozen=True)

        def __init__(self, config, input_dim): pass
        def forward(self, frames, lengths): return frames, lengths
        def output_lengths(self, lengths): return lengths

    return [Toy]
"""


def install(folder: Path, name: str, source: str, head: str = HEAD, version: str = "1.5") -> Path:
    """The distribution ``toy-NAME`` with the module ``toy_NAME`` as the entry point NAME, in ``folder``."""
    folder.mkdir(exist_ok=True)
    (folder / f"toy_{name}.py").write_text(head + textwrap.dedent(source))
    info = folder / f"toy_{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: toy-{name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[dstoolkit]\n{name} = toy_{name}\n")
    return folder


def entry_points(*folders: Path) -> metadata.EntryPoints:
    """Those of the distributions in these folders alone."""
    found = metadata.distributions(path=[str(folder) for folder in folders])
    return metadata.EntryPoints(point for each in found for point in each.entry_points if point.group == "dstoolkit")
