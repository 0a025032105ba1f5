"""docs/plugin-reference.md is what tools/plugin_reference.py writes, lacks nothing, and is noticed when stale."""

from __future__ import annotations

import importlib.util
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dstoolkit import hookspecs, interfaces, plugins

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "tools" / "plugin_reference.py"
HOOKS = [name for name in vars(hookspecs) if name.startswith("dstoolkit_")]
KINDS = [each.interface for each in plugins.KINDS.values()]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("plugin_reference", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def copy(tmp_path):
    """A folder with the two pages as they are."""
    (tmp_path / "docs").mkdir()
    for name in ("plugins.md", "plugin-reference.md"):
        shutil.copy(ROOT / "docs" / name, tmp_path / "docs" / name)
    return tmp_path


def section(heading: str) -> str:
    """The reference's text from a heading of any level to the next."""
    page = (ROOT / "docs" / "plugin-reference.md").read_text()
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"docs/plugin-reference.md has no {heading}"
    return found[1]


def test_the_pages_are_what_the_tool_writes():
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("page", ["plugin-reference.md", "plugins.md"])
def test_a_stale_page_is_named_and_mended(page, tool, copy, capsys):
    path = copy / "docs" / page
    wanted = path.read_text()
    path.write_text(wanted.replace("when a loss is first looked up", "whenever"))
    assert tool.main(["--check"], copy) == 1
    said = f"docs/{page}: is not what the source says; run 'python tools/plugin_reference.py'\n"
    assert capsys.readouterr().out == said
    assert "whenever" in path.read_text()
    assert tool.main([], copy) == 0
    assert path.read_text() == wanted


def test_a_page_that_is_not_there_is_stale(tool, copy):
    (copy / "docs" / "plugin-reference.md").unlink()
    assert [str(each) for each in tool.stale(copy)] == ["docs/plugin-reference.md"]


def test_a_guide_without_its_markers_is_refused(tool, copy):
    (copy / "docs" / "plugins.md").write_text("# Plugins\n")
    with pytest.raises(ValueError, match=r"docs/plugins.md: expected one line '<!-- the hooks"):
        tool.main([], copy)


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_in_it(name):
    text = section(f"`{name}`")
    signature = re.search(r"```python\n(.+?)\n```", text, re.DOTALL)[1]
    namespace = {}
    exec(f"from __future__ import annotations\n{signature}: ...", namespace)  # noqa: S102 (our own page)
    wanted = inspect.signature(getattr(hookspecs, name))
    assert inspect.signature(namespace[name]) == wanted
    assert "Called " in text
    assert re.search(r"Since API \d+\.", text)


def test_modes_are_those_of_pluggy(tool):
    """By hand: who collects, who chooses, who observes."""
    modes = {each.name.removeprefix("dstoolkit_").split("_")[0]: each.mode for each in tool.hooks()}
    assert modes == {
        "register": "collecting",
        "make": "first result",
        "train": "observing",
        "step": "observing",
        "epoch": "observing",
        "snapshot": "observing",
    }


def test_a_hook_that_does_not_say_when_it_is_called_is_refused(tool, monkeypatch):
    text = inspect.getsource(hookspecs).replace("Called after each epoch's validation. ", "")
    monkeypatch.setattr(tool.inspect, "getsource", lambda module: text)
    with pytest.raises(ValueError, match="dstoolkit_epoch_end: its docstring lacks 'Called"):
        list(tool.hooks())


@pytest.mark.parametrize("interface", KINDS, ids=lambda each: each.__name__)
def test_every_method_is_in_it(interface):
    own = [name for name, each in vars(interface).items() if not name.startswith("_") and not isinstance(each, str)]
    methods = [
        name for name in own if callable(getattr(interface, name)) or isinstance(vars(interface)[name], property)
    ]
    for name in interface.__abstractmethods__:
        text = section(f"`{interface.__name__}.{name}` (required)")
        assert f"def {name}(" in text
    for name in set(methods) - interface.__abstractmethods__:
        text = section(f"`{interface.__name__}.{name}` (optional)")
        assert re.search(rf"def {name}\(.*:\n    \w+", text), "without what it does by itself"


@pytest.mark.parametrize("interface", [interfaces.Plugin, *KINDS], ids=lambda each: each.__name__)
def test_every_class_attribute_is_in_it(interface):
    text = section(f"`{interface.__name__}`")
    for name in inspect.get_annotations(interface):
        assert re.search(rf"^{name}: ", text, re.MULTILINE)


@pytest.mark.parametrize("record", ["Utterance", "Preparation", "Word", "Hypothesis", "Run"])
def test_every_record_is_in_it(record):
    fields = re.findall(r"^(\w+): ", section(f"`{record}`").split("```python")[1], re.MULTILINE)
    assert fields == list(getattr(interfaces, record).__dataclass_fields__)


def test_comments_and_defaults_come_along():
    assert 'source: str = "wav.scp"  # or "feats.scp": the utterances\' paths are feature files\n' in section(
        "`Preparation`"
    )
    assert "def locate(self, folder: Path, cache: Path) -> Path:\n    return folder\n" in section(
        "`Corpus.locate` (optional)"
    )
