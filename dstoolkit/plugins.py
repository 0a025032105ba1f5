"""Load, block, list and look up plugins. Nothing is loaded on import; the first look-up loads the entry points.

Each entry point of the group ``dstoolkit`` loads by itself and ends as ``ok``, ``blocked`` (named in
``DSTOOLKIT_DISABLE_PLUGINS=a,b``) or ``failed: why``. One bad plugin never takes the toolkit down; two that claim one
name are refused when that name is looked up.
"""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import pluggy

from dstoolkit import config, hookspecs, interfaces
from dstoolkit.errors import DstoolkitError, PluginError

log = logging.getLogger("dstoolkit")

DISABLE = "DSTOOLKIT_DISABLE_PLUGINS"  # names of entry points, separated by commas
LIST_ADVICE = "see 'dstoolkit plugins list'"


@dataclass(frozen=True)
class Kind:
    """A kind of plugin: what one is called, its registering hook and its abstract class."""

    singular: str
    hook: str
    interface: type[interfaces.Plugin]


KINDS: Mapping[str, Kind] = {
    "features": Kind("features", "dstoolkit_register_features", interfaces.Features),
    "augmentations": Kind("augmentation", "dstoolkit_register_augmentations", interfaces.Augmentation),
    "encoders": Kind("encoder", "dstoolkit_register_encoders", interfaces.Encoder),
    "losses": Kind("loss", "dstoolkit_register_losses", interfaces.Loss),
    "decoders": Kind("decoder", "dstoolkit_register_decoders", interfaces.Decoder),
    "tokenizers": Kind("tokenizer", "dstoolkit_register_tokenizers", interfaces.Tokenizer),
    "corpora": Kind("corpus", "dstoolkit_register_corpora", interfaces.Corpus),
    "commands": Kind("command", "dstoolkit_register_commands", interfaces.Command),
}


@dataclass
class Entry:
    """One entry point and what became of it."""

    name: str
    distribution: str
    version: str
    status: str = "ok"  # ok, blocked or failed
    why: str = ""
    module: str = ""  # what the entry point names
    api: Any = None  # the DSTOOLKIT_API that the module states; None: none, or it could not be loaded
    provides: dict[str, list[str]] = field(default_factory=dict)  # kind -> names, filled as kinds are looked up
    hooks: list[str] = field(default_factory=list)  # the choosing and observing hooks that it implements

    @property
    def key(self) -> str:
        """Its name in pluggy: unique among entry points."""
        return f"{self.distribution}:{self.name}"

    def fail(self, error: BaseException) -> None:
        self.status, self.why = "failed", reason(error)


def reason(error: BaseException) -> str:
    """An exception in one line: ``no module named 'einops'``, ``ValueError: bad size``."""
    if isinstance(error, PluginError):
        return str(error)
    if isinstance(error, ImportError):
        text = " ".join(str(error).split())
        return text[:1].lower() + text[1:]
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def canonical(distribution: str) -> str:
    """A distribution's name as all its spellings have it (PyPA, "Names and normalization")."""
    return re.sub("[-_.]+", "-", distribution).lower()


class Registry:
    """All plugins of this process. Use ``load()``, which keeps one."""

    def __init__(self, entry_points: metadata.EntryPoints | None = None) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.entries: list[Entry] = []
        self._owners: dict[str, dict[str, list[tuple[Entry, type[interfaces.Plugin]]]]] = {}
        blocked = {name.strip() for name in os.environ.get(DISABLE, "").split(",") if name.strip()}
        found = metadata.entry_points(group=hookspecs.PROJECT) if entry_points is None else entry_points
        # Ours is registered first: pluggy calls the last registered first, so our firstresult answers come last.
        for point in sorted(found, key=lambda point: (point.value != "dstoolkit.builtins", point.name)):
            self._load(point, blocked)

    @property
    def hook(self) -> pluggy.HookRelay:
        """pluggy's own relay, which lets what a plugin raises through; prefer ``ask`` and ``observe``."""
        return self.manager.hook

    def _load(self, point: metadata.EntryPoint, blocked: set[str]) -> None:
        distribution = point.dist.name if point.dist else "unknown"
        entry = Entry(point.name, distribution, point.dist.version if point.dist else "", module=point.value)
        self.entries.append(entry)
        if point.name in blocked or canonical(distribution) in {canonical(each) for each in blocked}:
            entry.status, entry.why = "blocked", f"named in {DISABLE}"
            return
        try:
            module = point.load()
            entry.api = getattr(module, "DSTOOLKIT_API", None)
            self._check_api(point.name, module)
            self.manager.register(module, name=entry.key)
            entry.hooks = self._check_hooks(point.name, module)
        except (Exception, SystemExit) as error:  # whatever a stranger's module raises is that plugin's failure alone
            entry.fail(error)
            if self.manager.has_plugin(entry.key):  # older pluggy asserts that there is one
                self.manager.unregister(name=entry.key)

    @staticmethod
    def _check_api(name: str, module: object) -> None:
        stated = getattr(module, "DSTOOLKIT_API", None)
        if stated != hookspecs.API:
            said = f"states DSTOOLKIT_API = {stated!r}" if stated is not None else "states no DSTOOLKIT_API"
            raise PluginError(
                f"plugin {name!r}", said, f"this dstoolkit speaks {hookspecs.API}", "install a matching version"
            )

    def _check_hooks(self, name: str, module: object) -> list[str]:
        """The choosing and observing hooks ``module`` implements. Raises PluginError for a hook there is not."""
        callers = self.manager.get_hookcallers(module) or []
        known = [hook for hook in vars(hookspecs) if hook.startswith("dstoolkit_")]
        for caller in callers:
            if caller.name not in known:
                raise PluginError(
                    f"plugin {name!r}", f"no such hook {caller.name!r}", config.nearest(caller.name, known)
                )
            if any(impl.wrapper or impl.hookwrapper for impl in caller.get_hookimpls()):
                raise PluginError(f"plugin {name!r}", f"wraps {caller.name!r}", "a hook is implemented, not wrapped")
        return sorted(caller.name for caller in callers if not caller.name.startswith("dstoolkit_register_"))

    def _implementations(self, hook: str) -> Iterator[pluggy.HookImpl]:
        """In pluggy's order: the last registered first, but for ``tryfirst`` and ``trylast``."""
        implementations: list[pluggy.HookImpl] = getattr(self.manager.hook, hook).get_hookimpls()
        return reversed(implementations)

    def ask(self, hook: str, **values: Any) -> Any:
        """The first answer to a choosing hook that is not None. Raises PluginError naming a plugin that fails."""
        for impl in self._implementations(hook):
            try:
                answer = impl.function(*(values[each] for each in impl.argnames))
            except DstoolkitError:
                raise
            except Exception as error:
                raise PluginError(f"plugin {impl.plugin_name!r}", f"failed in {hook}: {reason(error)}") from error
            if answer is not None:
                return answer
        return None

    def observe(self, hook: str, **values: Any) -> None:
        """Call an observing hook of every plugin. One that raises is warned of; the others, and we, go on."""
        for impl in self._implementations(hook):
            try:
                impl.function(*(values[each] for each in impl.argnames))
            except Exception as error:
                log.warning("plugin %r failed in %s: %s", impl.plugin_name, hook, reason(error))

    def _collect(self, kind: str) -> dict[str, list[tuple[Entry, type[interfaces.Plugin]]]]:
        """name -> who claims it, each plugin's hook called by itself so that a failure stays its own."""
        if kind in self._owners:
            return self._owners[kind]
        owners: dict[str, list[tuple[Entry, type[interfaces.Plugin]]]] = {}
        entries = {entry.key: entry for entry in self.entries}
        for impl in self._implementations(KINDS[kind].hook):
            entry = entries[impl.plugin_name]
            try:
                classes = self._check_classes(kind, entry.name, impl.function())
            except (Exception, SystemExit) as error:
                entry.fail(error)
                continue
            for each in classes:
                owners.setdefault(each.name, []).append((entry, each))
                entry.provides.setdefault(kind, []).append(each.name)
        self._owners[kind] = owners
        return owners

    @classmethod
    def _check_classes(cls, kind: str, name: str, answer: Any) -> list[type[interfaces.Plugin]]:
        if not isinstance(answer, (list, tuple)):
            raise PluginError(
                f"plugin {name!r}", f"{KINDS[kind].hook} returned {answer!r}", "expected a list of classes"
            )
        return [cls._check_class(kind, each) for each in answer]

    @staticmethod
    def _check_class(kind: str, registered: Any) -> type[interfaces.Plugin]:
        interface = KINDS[kind].interface
        label = f"{KINDS[kind].singular} {getattr(registered, '__name__', registered)!r}"
        if not (isinstance(registered, type) and issubclass(registered, interface)):
            raise PluginError(label, f"is no subclass of interfaces.{interface.__name__}")
        if not isinstance(getattr(registered, "name", None), str):
            raise PluginError(label, "has no name", "expected a class attribute 'name'")
        if missing := sorted(getattr(registered, "__abstractmethods__", ())):
            raise PluginError(label, f"lacks {', '.join(missing)}", f"expected all of interfaces.{interface.__name__}")
        if kind == "commands":
            if not isinstance(getattr(registered, "help", None), str):
                raise PluginError(label, "has no help", "expected a class attribute 'help', a line of text")
        else:
            config.check_dataclass(label, getattr(registered, "Config", None))
        return registered

    def names(self, kind: str) -> list[str]:
        """The names of a kind, sorted; those in conflict too."""
        return sorted(self._collect(kind))

    def owners(self, kind: str, name: str) -> list[tuple[Entry, type[interfaces.Plugin]]]:
        """Who registers ``name``: nobody, one, or several in conflict."""
        return self._collect(kind).get(name, [])

    def get(self, kind: str, name: str, where: str = "") -> type[Any]:
        """The class registered under ``name``. ``where`` (a file and key) begins the error. Raises PluginError."""
        owners = self.owners(kind, name)
        label = f"{KINDS[kind].singular} {name!r}"
        if len(owners) > 1:
            claims = " and ".join(sorted(f"'{entry.distribution} {entry.version}'" for entry, _ in owners))
            raise PluginError(where, f"{label} is claimed by {claims}", "", f"uninstall one or name one in {DISABLE}")
        if owners:
            return owners[0][1]
        have = ", ".join(self.names(kind)) or "none"
        raise PluginError(where, f"no {label} (have: {have})", self.not_ok(), LIST_ADVICE)

    def not_ok(self) -> str:
        """``plugin 'x' failed to load: why; plugin 'y' is blocked``, or nothing."""
        says = [
            f"plugin {entry.name!r} " + (f"failed to load: {entry.why}" if entry.status == "failed" else "is blocked")
            for entry in self.entries
            if entry.status != "ok"
        ]
        return "; ".join(says)

    def conflicts(self) -> list[PluginError]:
        """Every name that two plugins claim, of every kind."""
        errors = []
        for kind in KINDS:
            for name, owners in sorted(self._collect(kind).items()):
                if len(owners) > 1:
                    try:
                        self.get(kind, name)
                    except PluginError as error:
                        errors.append(error)
        return errors


@functools.cache
def load() -> Registry:
    """The registry of this process, loaded at the first call."""
    return Registry()


def choose(kind: str, choice: config.Choice) -> tuple[type[Any], Any]:
    """The class that ``choice`` names and its checked ``Config`` instance. Raises PluginError or ConfigError."""
    chosen = load().get(kind, choice.name, choice.where)
    return chosen, config.build(chosen.Config, choice.options, choice.where)
