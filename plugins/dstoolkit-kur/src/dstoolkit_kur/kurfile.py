"""A Kurfile, read, merged with what it includes, and evaluated."""

from __future__ import annotations

import json
import logging
import socket
from collections import ChainMap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dstoolkit.errors import ConfigError
from dstoolkit_kur import includes, overriding, settings
from dstoolkit_kur.dumping import yaml_text
from dstoolkit_kur.expressions import Expressions
from dstoolkit_kur.node import Mark, Node

log = logging.getLogger("dstoolkit.kur")

ACTIONS = ("train", "validate", "test", "evaluate")  # each sees those before it


class Kurfile:
    """Made by ``Kurfile.load``. ``files`` are the file itself and all it includes.

    Expressions see the settings, ``filename``, ``host``, and the sections before their own by name, in the order train,
    validate, test, evaluate, loss, model.
    """

    def __init__(self, path: Path, tree: Node, files: tuple[Path, ...]) -> None:
        self.path, self.tree, self.files = path, tree, files
        self.expressions = Expressions()
        section = tree.get("settings")
        if section is None or section.content is None:
            section = Node({}, tree.mark, ("settings",))
        if not isinstance(section.content, dict):
            raise section.fault(repr(section.value), "expected variables, such as 'size: 100'")
        variables = settings.Settings(section, self.expressions, {"filename": str(path), "host": socket.gethostname()})
        self.settings = variables.evaluated()
        self.scope: Mapping[str, Any] = variables
        self.backend = settings.backend(self.settings)
        self.seed = settings.seed(self.settings)
        self.sections = {"settings": self.settings}
        self.unrolled: Node | None = None
        for name in (*ACTIONS, "loss"):
            self._evaluate(name)

    @classmethod
    def load(cls, path: Path | str, assignments: Iterable[str] = ()) -> Kurfile:
        """The file with ``assignments`` (``settings.rnn.size=32``) over it, in its own words.

        Raises ConfigError, Faults, with file and line.
        """
        path = Path(path)
        tree, files = includes.gather(path)
        for each in files:
            log.info("read '%s'", each)
        return cls(path, overriding.overridden(tree, assignments), files)

    def _evaluate(self, name: str) -> None:
        node = self.tree.get(name)
        if node is not None:
            self.sections[name] = self.expressions.evaluate(node, self.scope)
            self.scope = ChainMap({name: self.sections[name].value}, self.scope)  # type: ignore[arg-type]

    def section(self, name: str) -> Node | None:
        """A section evaluated, by its name or its alias (``training``); None where the file has none."""
        name = includes.ALIASES.get(name, name)
        return self.layers() if name == "model" and "model" in self.tree else self.sections.get(name)

    def layers(self) -> Node:
        """The model as a list without operators, as the encoder ``layers`` reads it; made once. Raises ConfigError."""
        from dstoolkit_kur.operators import unroll

        if self.unrolled is not None:
            return self.unrolled
        model = self.tree.get("model")
        if model is None:
            raise ConfigError(Mark(str(self.path)), "no section 'model'", "expected a list of layers")
        self.unrolled = unroll(model, self.tree.get("templates"), self.expressions, self.scope)
        return self.unrolled

    def dump(self, form: str = "yaml") -> str:
        """All sections evaluated, the model without operators, as text of ``form`` yaml or json."""
        found = {name: self.section(name) for name in includes.SECTIONS}
        values = {name: node.value for name, node in found.items() if node is not None and name in self.tree}
        if form == "json":
            return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
        return yaml_text(values)
