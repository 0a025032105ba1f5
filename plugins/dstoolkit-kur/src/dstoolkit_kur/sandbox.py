"""Jinja2 for Kurfiles: its sandbox, made narrower, so that a stranger's file cannot reach out of it.

What would fill the memory in one step is refused; what takes many steps, such as lists of lists, is bounded by its
result alone. Only expressions, ``if`` and ``for`` (two deep) are let in. Of functions there are ``range`` and
``gpu_count``; of methods those in ``METHODS``. A mapping's own keys come before Python's methods: ``cnn.items`` is the
key ``items``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from dstoolkit import config

MOST_VALUES = 100_000  # numbers of all ranges of an expression, and elements of its result
MOST_CHARACTERS = 1_000_000  # of a result, and of what 'join' may make
MOST_TIMES = 10_000  # characters or elements of what '*' may make
MOST_BITS = 4096  # of a power
MOST_NESTED = 2  # 'for' within 'for'
FILTERS = (  # not those that make much of little (center, replace) or another value each time (random)
    "abs capitalize count d default dictsort first float int items last length list lower map max min reject "
    "rejectattr reverse round select selectattr sort string sum title trim unique upper"
)
METHODS = {
    str: "capitalize count endswith find index isalpha isdigit lower lstrip rstrip split startswith strip title upper",
    dict: "get items keys values",
    list: "count index",
    tuple: "count index",
}
BLOCKS = (nodes.For, nodes.If, nodes.Output, nodes.TemplateData)


def combine(value: Any, new: Any = None) -> dict[str, Any]:
    """The pairs of both mappings, those of ``new`` winning."""
    return {**dict(value), **dict(new or {})}


def join(value: Iterable[Any], d: str = "", attribute: str | None = None) -> str:
    """The elements' texts, ``d`` between them; of mappings, their ``attribute``."""
    texts = [str(each if attribute is None else each[attribute]) for each in value]
    if sum(map(len, texts)) + len(d) * len(texts) > MOST_CHARACTERS:
        raise SecurityError(f"'join' that makes more than {MOST_CHARACTERS} characters")
    return d.join(texts)


def gpu_count() -> int:
    """How many NVIDIA GPUs there are."""
    import torch

    return torch.cuda.device_count()


OWN_FILTERS: dict[str, Callable[..., Any]] = {
    "basename": posixpath.basename,
    "dirname": posixpath.dirname,
    "splitext": posixpath.splitext,
    "combine": combine,
    "join": join,
    "as_dict": lambda value, key: {str(key): value},
}


class Sandbox(ImmutableSandboxedEnvironment):
    """``names`` are the variables of the expression at hand, from which the nearest to an unknown one is taken."""

    intercepted_binops = frozenset(("*", "**", "%"))

    def __init__(self) -> None:
        self.names: Iterable[str] = ()
        self.counted = 0
        super().__init__(undefined=unknown(self))
        self.filters = {**{name: self.filters[name] for name in FILTERS.split()}, **OWN_FILTERS}
        self.globals = {"range": self.range, "gpu_count": gpu_count}

    def begin(self, names: Iterable[str]) -> None:
        """Before each expression."""
        self.names, self.counted = names, 0

    def range(self, *bounds: int) -> range:
        """Python's, but all ranges of an expression together have at most ``MOST_VALUES`` numbers."""
        found = range(*bounds)
        self.counted += (found[-1] - found[0]) // found.step + 1 if found else 0  # len() knows no more than 2**63
        if self.counted > MOST_VALUES:
            raise SecurityError(f"ranges of more than {MOST_VALUES} numbers")
        return found

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def is_safe_callable(self, obj: Any) -> bool:
        owner = getattr(obj, "__self__", None)
        for kind, methods in METHODS.items():
            if isinstance(owner, kind) or (kind is dict and isinstance(owner, Mapping)):
                return getattr(obj, "__name__", "") in methods.split()
        return any(obj == known for known in self.globals.values())

    def call(self, context: Any, function: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(function, StrictUndefined) and not self.is_safe_callable(function):
            name = getattr(function, "__name__", "")
            raise SecurityError(f"a call of '{name}'" if name else f"a call of what is no function: {function!r}")
        return super().call(context, function, *args, **kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, str):
            raise SecurityError("'%' of text")
        if operator == "**":
            check_power(left, right)
        if operator == "*":
            check_product(left, right)
        return super().call_binop(context, operator, left, right)

    def check(self, tree: nodes.Template) -> None:
        """Raises SecurityError for blocks other than ``if`` and ``for``, and for loops nested too deeply."""
        for each in tree.find_all(nodes.Stmt):
            if not isinstance(each, BLOCKS):
                raise SecurityError(f"a block '{type(each).__name__.lower()}'; expected expressions, 'if' or 'for'")
        if loops(tree) > MOST_NESTED:
            raise SecurityError(f"'for' more than {MOST_NESTED} deep")


def loops(node: nodes.Node) -> int:
    """How deeply ``for`` is nested."""
    inner = max((loops(each) for each in node.iter_child_nodes()), default=0)
    return inner + isinstance(node, nodes.For)


def check_power(left: Any, right: Any) -> None:
    if not all(isinstance(each, (int, float)) for each in (left, right)):
        raise SecurityError("'**' of what are no numbers")
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * right > MOST_BITS:
        raise SecurityError(f"a power of more than {MOST_BITS} bits")


def check_product(left: Any, right: Any) -> None:
    for value, times in ((left, right), (right, left)):
        if isinstance(value, (str, list, tuple)) and isinstance(times, int) and len(value) * times > MOST_TIMES:
            raise SecurityError(f"'*' that makes more than {MOST_TIMES} elements")


def unknown(sandbox: Sandbox) -> type[StrictUndefined]:
    """What stands for an unknown name; any use but ``is defined`` and ``default`` names the nearest."""

    class Unknown(StrictUndefined):
        __slots__ = ()

        @property
        def _undefined_message(self) -> str:
            owner, name = self._undefined_obj, str(self._undefined_name)
            if isinstance(owner, Mapping):
                return f"no '{name}' there; {config.nearest(name, map(str, owner))}"
            if self._undefined_hint or owner is not missing:
                return self._undefined_hint or f"'{name}' of {str(owner)[:40]!r}; expected a mapping"
            return f"no variable '{name}'; {config.nearest(name, [*sandbox.names, *sandbox.globals])}"

    return Unknown
