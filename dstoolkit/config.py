"""Configuration: defaults < YAML file < ``--set key=value``, into frozen dataclasses, checked.

YAML is 1.2 (``1e-3`` is a number, ``no`` is a word). ``build`` fills a stdlib dataclass from a mapping and refuses
unknown options (naming the nearest known one) and values of a wrong type, all faults at once. A dataclass may refuse
combinations by raising ValueError in ``__post_init__``, or a ConfigError that says where within it. A field of type
``Choice`` names a plugin whose own ``Config`` checks the rest: ``encoder: {name: deepspeech, size: 256}``, or just
``encoder: deepspeech``.
"""

from __future__ import annotations

import dataclasses
import io
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dstoolkit.errors import ConfigError, DstoolkitError, Faults, PluginError

T = TypeVar("T")
LARGEST = 2**1023  # whole numbers up to this fit a float


@dataclass(frozen=True)
class Choice:
    """The name of a plugin and its options, unchecked; ``where`` is their place in the configuration."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    where: str = field(default="", compare=False)


def load(path: Path | str | None, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """A YAML file (None: empty) with ``a.b=value`` overrides applied, as nested plain dicts. Raises ConfigError."""
    values = _read(Path(path)) if path is not None else {}
    for assignment in overrides:
        override(values, assignment)
    return values


def _yaml() -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import SafeConstructor

    class Constructor(SafeConstructor):
        """``2024-01-31`` is a word in YAML 1.2's core schema, not a date."""

    Constructor.add_constructor("tag:yaml.org,2002:timestamp", lambda self, node: self.construct_scalar(node))
    reader: Any = YAML(typ="safe", pure=True)  # YAML 1.2
    reader.Constructor = Constructor
    reader.default_flow_style = False
    reader.sort_base_mapping_type_on_output = False
    return reader


def _read(path: Path) -> dict[str, Any]:
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        loaded = plain(_yaml().load(path.read_text(encoding="utf-8")))  # a copy: aliases would share an override
    except OSError as error:
        raise ConfigError(path, (error.strerror or str(error)).lower(), "expected a YAML file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, "not UTF-8 text", "expected a YAML file") from error
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}", f"not YAML: {error.problem}") from error
    except (YAMLError, ValueError) as error:
        raise ConfigError(path, f"not YAML: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise ConfigError(path, "values within values without end", "expected 'option: value' lines") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(path, f"{loaded!r}", "expected 'option: value' lines")
    return loaded


def parse_value(text: str) -> Any:
    """A value as YAML reads it: ``3e-4`` a number, ``[1, 2]`` a list, ``no`` a word."""
    from ruamel.yaml.error import YAMLError

    try:
        return plain(_yaml().load(text)) if text else ""
    except (YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{text!r}", "not a YAML value", "", "quote a word that holds ': ', '#' or brackets"
        ) from error


def override(values: dict[str, Any], assignment: str) -> None:
    """Put one ``a.b=value`` into nested ``values``. Raises ConfigError."""
    key, equals, text = assignment.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"--set {assignment}", "not an assignment", "expected 'section.option=value'")
    *path, last = key.split(".")
    for name in path:
        inner = values.get(name)
        if isinstance(inner, str):  # encoder=deepspeech, then encoder.size=8
            inner = {"name": inner}
        values[name] = inner if isinstance(inner, dict) else {}
        values = values[name]
    try:
        values[last] = parse_value(text)
    except ConfigError as error:
        raise ConfigError(f"--set {assignment}", error.found, error.expected, error.advice) from error


def dump(values: Mapping[str, Any]) -> str:
    """Plain values as YAML text."""
    out = io.StringIO()
    _yaml().dump(dict(values), out)
    return out.getvalue()


def plain(value: Any) -> Any:
    """Dataclasses, choices and tuples as what YAML and JSON can hold."""
    if isinstance(value, Choice):
        return {"name": value.name, **{key: plain(each) for key, each in value.options.items()}}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


def nearest(word: str, known: Iterable[str]) -> str:
    """``did you mean 'epochs'?``, or the known ones where none is near."""
    import difflib

    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"expected one of: {', '.join(known)}" if known else "it has no options"


def build(cls: type[T], values: Any, where: str = "") -> T:
    """An instance of the dataclass ``cls`` from a mapping. Raises ConfigError or Faults, all at once.

    ``where`` is the file (``conf/x.yaml``) or file and section (``conf/x.yaml: train``) that errors begin with.
    """
    faults: list[DstoolkitError] = []
    built = _build(cls, values, where, faults)
    Faults.check(faults)
    return typing.cast(T, built)


def join(where: str, key: str) -> str:
    """``conf/x.yaml`` + ``train`` -> ``conf/x.yaml: train``; ``conf/x.yaml: train`` + ``lr`` -> ``...: train.lr``."""
    if not where:
        return key
    return f"{where}.{key}" if ": " in where else f"{where}: {key}"


def _build(cls: type, values: Any, where: str, faults: list[DstoolkitError]) -> Any:
    if not isinstance(values, Mapping):
        faults.append(ConfigError(where, repr(values), "expected 'option: value' lines"))
        return None
    hints = typing.get_type_hints(cls)
    known = {each.name: hints[each.name] for each in dataclasses.fields(cls) if each.init}
    before = len(faults)
    for key in values:
        if key not in known:
            faults.append(ConfigError(join(where, str(key)), "no such option", nearest(str(key), known)))
    present = {key: values[key] for key in known if key in values}
    named = {key: _named(cls, key, each) if known[key] is Choice else each for key, each in present.items()}
    given = {key: _value(known[key], value, join(where, key), faults) for key, value in named.items()}
    if len(faults) > before:
        return None
    try:
        return cls(**given)
    except (TypeError, ValueError) as error:
        faults.append(ConfigError(where, str(error)))
    except DstoolkitError as error:
        faults.extend(within(error, where))
    return None


def within(error: DstoolkitError, where: str) -> list[DstoolkitError]:
    """The faults of a part, whose places are its own (``layers[3].dense``), with their places in the whole."""
    faults = error.faults if isinstance(error, Faults) else (error,)
    return [ConfigError(join(where, each.where), each.found, each.expected, each.advice) for each in faults]


def _value(hint: Any, value: Any, where: str, faults: list[DstoolkitError]) -> Any:
    """``value`` as ``hint`` wants it, or a fault."""
    if hint is Choice:
        return _choice(value, where, faults)
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, where, faults)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union(args, value, where, faults)
    if origin is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        return _tuple(args, value, where, faults)
    if origin is list and isinstance(value, (list, tuple)):
        return list(_tuple((*args, ...), value, where, faults) or ())
    if origin is typing.Literal and any(value == arg and type(value) is type(arg) for arg in args):
        return value
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST:
        return float(value)
    if hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    if hint is Any or (isinstance(hint, type) and type(value) is hint):
        return value
    faults.append(ConfigError(where, repr(value), f"expected {describe(hint)}", _did_you_mean(hint, value)))
    return None


def _did_you_mean(hint: Any, value: Any) -> str:
    """For a word that is nearly one of a few."""
    words = [arg for arg in typing.get_args(hint) if isinstance(arg, str)]
    advice = nearest(value, words) if isinstance(value, str) else ""
    return advice if advice.startswith("did") else ""


def as_choice(value: Any, where: str) -> Choice:
    """``deepspeech`` or ``{name: deepspeech, size: 256}`` as a Choice. Raises ConfigError."""
    faults: list[DstoolkitError] = []
    choice = _choice(value, where, faults)
    Faults.check(faults)
    return typing.cast(Choice, choice)


def _named(cls: type, key: str, value: Any) -> Any:
    """Options without a name are for the plugin that the field names by default: ``--set encoder.size=256``."""
    if not isinstance(value, Mapping) or "name" in value:
        return value
    of_field = next(each for each in dataclasses.fields(cls) if each.name == key)
    default = of_field.default if of_field.default_factory is dataclasses.MISSING else of_field.default_factory()
    return {"name": default.name, **value} if isinstance(default, Choice) else value


def _choice(value: Any, where: str, faults: list[DstoolkitError]) -> Choice | None:
    if isinstance(value, Choice):
        return value
    if isinstance(value, str):
        return Choice(value, {}, where)
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        return Choice(value["name"], {key: each for key, each in value.items() if key != "name"}, where)
    faults.append(ConfigError(where, repr(value), "expected a plugin's name or '{name: ..., option: ...}'"))
    return None


def _union(args: tuple[Any, ...], value: Any, where: str, faults: list[DstoolkitError]) -> Any:
    structures = [arg for arg in args if dataclasses.is_dataclass(arg) and arg is not Choice]
    if isinstance(value, Mapping) and len(structures) == 1:  # nothing else can be meant: name its own faults
        return _build(typing.cast(type, structures[0]), value, where, faults)
    for arg in args:
        trial: list[DstoolkitError] = []
        built = _value(arg, value, where, trial)
        if not trial:
            return built
    advice = next((found for arg in args if (found := _did_you_mean(arg, value))), "")
    faults.append(ConfigError(where, repr(value), "expected " + " or ".join(describe(arg) for arg in args), advice))
    return None


def _tuple(args: tuple[Any, ...], value: Sequence[Any], where: str, faults: list[DstoolkitError]) -> Any:
    if len(args) == 2 and args[1] is Ellipsis:
        args = (args[0],) * len(value)
    if len(args) != len(value):
        faults.append(ConfigError(where, f"{len(value)} values", f"expected {len(args)}"))
        return None
    return tuple(
        _value(arg, each, f"{where}[{at}]", faults) for at, (arg, each) in enumerate(zip(args, value, strict=True))
    )


def describe(hint: Any) -> str:
    """A type as a user would call it."""
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a word",
        type(None): "null",
        Choice: "a plugin's name",
        Path: "a path",
    }
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return "one of " + ", ".join(repr(arg) for arg in args)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe(arg) for arg in args)
    if origin is list or args[1:] == (Ellipsis,):
        return f"a list, each {describe(args[0])}"
    if origin is tuple:
        return f"a list of {len(args)} values"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "'option: value' lines"
    if dataclasses.is_dataclass(hint) and hint is not Choice:
        return "'option: value' lines"
    return names.get(hint, getattr(hint, "__name__", str(hint)))


def check_dataclass(label: str, cls: Any) -> None:
    """Refuse a plugin's ``Config`` that is not a frozen stdlib dataclass whose fields all have defaults."""
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise PluginError(label, "has no Config", "expected a frozen dataclass in its class attribute 'Config'")
    if not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise PluginError(label, "its Config can be changed", "expected '@dataclass(frozen=True)'")
    for each in dataclasses.fields(cls):
        if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
            raise PluginError(label, f"its Config gives '{each.name}' no default", "expected one for every option")
    try:
        typing.get_type_hints(cls)
    except Exception as error:  # any expression may stand as a type
        raise PluginError(
            label, f"its Config has a type that cannot be read: {error}", "import it at run time"
        ) from error
