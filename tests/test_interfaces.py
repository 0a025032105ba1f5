"""The page of interfaces: light to import, documented, and its example is a whole working plugin."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import textwrap

import pytest

from dstoolkit import interfaces, plugins

KINDS = [each.interface for each in plugins.KINDS.values()]


def test_imports_nothing_heavy():
    heavy = "[name for name in ('torch', 'numba', 'numpy') if name in sys.modules]"
    code = f"import sys, dstoolkit.interfaces, dstoolkit.plugins; print({heavy})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("interface", KINDS, ids=lambda each: each.__name__)
def test_every_method_is_documented_or_plain(interface):
    """A docstring on the class and on each abstract method but constructors, ``load`` and the like that need none."""
    assert inspect.getdoc(interface)
    for name in interface.__abstractmethods__ - {"__init__", "load"}:
        assert inspect.getdoc(inspect.getattr_static(interface, name)), f"{interface.__name__}.{name}"


@pytest.mark.parametrize("interface", KINDS, ids=lambda each: each.__name__)
def test_an_incomplete_plugin_cannot_be_made(interface):
    incomplete = type("Incomplete", (interface,), {"name": "incomplete"})
    missing = sorted(interface.__abstractmethods__)
    assert missing
    with pytest.raises(TypeError, match=missing[0]):
        incomplete()


def test_features_without_a_way_to_read_say_so():
    class Neither(interfaces.Features):
        name = "neither"
        dim = frame_shift = 1

        def __init__(self):
            pass

        def num_frames(self, num_samples):
            return 0

    with pytest.raises(TypeError, match=r"features 'neither' read wav.scp, not audio"):
        Neither().extract([])
    with pytest.raises(TypeError, match="not feature files"):
        Neither().load("x")
    with pytest.raises(TypeError, match="features 'neither' cannot be warped in frequency"):
        Neither().warping(1.1)


def example(tmp_path):
    """The example of the docstring as files of a package; the comments '# package/file' say where each belongs."""
    text = inspect.getdoc(interfaces)
    code = textwrap.dedent("\n".join(line for line in text.splitlines() if line.startswith("    ") or not line))
    parts = re.split(r"^# (my_package/\w+\.py).*$", code, flags=re.MULTILINE)[1:]
    for path, source in zip(parts[::2], parts[1::2], strict=True):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(source)
    return parts[::2]


def test_the_example_is_a_whole_plugin(tmp_path, monkeypatch):
    """Word for word from the docstring, it loads, registers, and passes the kit."""
    assert example(tmp_path) == ["my_package/encoder.py", "my_package/plugin.py"]
    info = tmp_path / "my_package-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[dstoolkit]\nmine = my_package.plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = plugins.Registry()
    monkeypatch.setattr(plugins, "load", lambda: registry)
    dense = registry.get("encoders", "dense")

    from dstoolkit.testing import run_checks

    assert {each.status for each in run_checks(dense)} == {"ok"}
    _, options = plugins.choose("encoders", plugins.config.Choice("dense", {"size": 512}))
    assert options.size == 512
