"""``dstoolkit plugins new``: what it writes keeps its contract as it is, by every kind, and what it refuses."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import jinja2
import pytest

from dstoolkit import plugins
from dstoolkit.cli import plugins_new
from dstoolkit.errors import PluginError
from dstoolkit.testing import run_checks
from tests.environment import Environment

ROOT = Path(__file__).resolve().parent.parent.parent
KINDS = {each.singular: kind for kind, each in plugins.KINDS.items()}
LONG = "a-name-of-so-many-words"


def tree(folder: Path) -> dict[str, str]:
    """path -> content."""
    return {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*") if each.is_file()}


def test_there_is_a_template_for_every_kind():
    assert {kind: each.kind for kind, each in plugins_new.TEMPLATE.items()} == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_it_registers_and_keeps_its_contract(kind, dstoolkit, tmp_path, monkeypatch):
    """Through an entry point such as the package's, but without pip."""
    dstoolkit("plugins", "new", "my-own", "--kind", kind, "--out", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "dstoolkit-my-own" / "src"))
    for module in [each for each in sys.modules if each.startswith("dstoolkit_my_own")]:
        monkeypatch.delitem(sys.modules, module)
    project = (tmp_path / "dstoolkit-my-own" / "pyproject.toml").read_text()
    value = re.search(r'^\[project.entry-points.dstoolkit\]\nmy-own = "(.+)"$', project, re.MULTILINE)[1]
    registry = plugins.Registry(metadata.EntryPoints([metadata.EntryPoint("my-own", value, "dstoolkit")]))
    monkeypatch.setattr(plugins, "load", lambda: registry)
    importlib.invalidate_caches()
    assert registry.names(KINDS[kind]) == ["my-own"], registry.not_ok()
    outcomes = run_checks(registry.get(KINDS[kind], "my-own"))
    assert [each for each in outcomes if each.status in ("failed", "warned")] == []
    lightly = next(each for each in outcomes if each.check == "loads_lightly")
    assert lightly.status == "ok"


@pytest.mark.parametrize("name", ["a", "e2e", LONG])
def test_ruff_has_nothing_to_say(name, dstoolkit, tmp_path):
    """With the package's own settings, and with the rules of this repository."""
    for kind in KINDS:
        dstoolkit("plugins", "new", name, "--kind", kind, "--out", tmp_path / kind)
    for command in (["check"], ["format", "--check", "--diff"], ["check", "--config", str(ROOT / "pyproject.toml")]):
        for kind in KINDS:
            folder = tmp_path / kind / f"dstoolkit-{name}"
            done = subprocess.run(
                [sys.executable, "-m", "ruff", *command, "--no-cache", "."], cwd=folder, capture_output=True, text=True
            )
            assert done.returncode == 0, f"{kind}: {done.stdout}{done.stderr}"


@pytest.mark.slow
def test_all_kinds_install_and_pass_the_kit_and_their_own_tests(dstoolkit, tmp_path):
    """All in one environment, by pip."""
    environment = Environment(tmp_path / "environment")
    for kind in KINDS:
        dstoolkit("plugins", "new", f"new-{kind}", "--kind", kind, "--out", tmp_path)
    folders = [tmp_path / f"dstoolkit-new-{kind}" for kind in KINDS]
    environment.install(*folders)
    listed = environment.plugins()
    for kind, several in KINDS.items():
        assert listed[f"new-{kind}"]["provides"] == {several: [f"new-{kind}"]}
        told = environment.dstoolkit("plugins", "check", f"new-{kind}").splitlines()[-1]
        assert re.fullmatch(r"\d+ checks: \d+ ok(, 2 expected)?(, \d+ skipped)?", told)
        assert ("expected" in told) == (kind == "loss")
    told = environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *folders)
    assert re.search(r"\d{3} passed", told)
    environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", folders[0])  # by itself, as its README says


def test_it_says_what_to_do_next(dstoolkit, tmp_path):
    lines = dstoolkit(
        "plugins", "new", "gated", "--kind", "encoder", "--out", tmp_path / "my plugins"
    ).output.splitlines()
    folder = tmp_path / "my plugins" / "dstoolkit-gated"
    assert lines[0].startswith(f"{folder}: the encoder 'gated' in ")
    assert lines[2:] == [
        f"  pip install -e '{folder}[test]'",
        "  dstoolkit plugins check gated",
        f"  pytest '{folder}'",
        "then in a configuration:",
        "  encoder: {name: gated}",
    ]
    assert "encoder: {name: gated}" in (folder / "README.md").read_text()


def test_it_is_made_in_the_current_folder(dstoolkit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dstoolkit("plugins", "new", "my-net", "--kind", "encoder")
    assert sorted(tree(tmp_path)) == [
        "dstoolkit-my-net/README.md",
        "dstoolkit-my-net/pyproject.toml",
        "dstoolkit-my-net/src/dstoolkit_my_net/__init__.py",
        "dstoolkit-my-net/src/dstoolkit_my_net/encoder.py",
        "dstoolkit-my-net/src/dstoolkit_my_net/plugin.py",
        "dstoolkit-my-net/tests/test_contract.py",
    ]


@pytest.mark.parametrize(
    ("name", "kind", "wanted"),
    [("my-net", "encoder", "MyNetEncoder"), ("my-encoder", "encoder", "MyEncoder"), ("loss", "loss", "LossLoss")],
)
def test_class_names_never_hide_their_interface(name, kind, wanted):
    assert plugins_new.class_name(name, plugins.KINDS[KINDS[kind]].interface.__name__) == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_like_its_kind_is_none_of_the_names_in_the_module(kind, dstoolkit, tmp_path):
    """The class would hide what the module imports."""
    dstoolkit("plugins", "new", kind, "--kind", kind, "--out", tmp_path)
    module = ast.parse((tmp_path / f"dstoolkit-{kind}/src/dstoolkit_{kind}/{kind}.py").read_text())
    imported = {alias.name for each in module.body if isinstance(each, ast.ImportFrom) for alias in each.names}
    defined = {each.name for each in module.body if isinstance(each, ast.ClassDef)}
    assert defined
    assert not defined & imported


@pytest.mark.parametrize(
    "name", ["", "Net", "my_net", "2net", "-net", "net-", "a--b", "a b", "../net", "naïve", "net\n"]
)
def test_bad_names_are_refused(name, dstoolkit, tmp_path):
    output = dstoolkit("plugins", "new", "--kind", "encoder", "--out", tmp_path, "--", name, status=2).output
    assert f"plugin name {name!r}; expected lower-case letters and digits, with hyphens between them" in output
    assert not list(tmp_path.iterdir())


def test_a_name_that_yaml_reads_as_a_value_is_refused(dstoolkit, tmp_path):
    output = dstoolkit("plugins", "new", "null", "--kind", "loss", "--out", tmp_path, status=2).output
    assert output == "dstoolkit: plugin name 'null'; expected no name that YAML reads as a value\n"


@pytest.mark.parametrize(
    ("kind", "advice"),
    [("encoders", "did you mean 'encoder'?"), ("thing", "expected one of: encoder, features, augmentation, loss")],
)
def test_an_unknown_kind_is_refused(kind, advice, dstoolkit, tmp_path):
    output = dstoolkit("plugins", "new", "net", "--kind", kind, "--out", tmp_path, status=2).output
    assert output.startswith(f"dstoolkit: --kind: no kind {kind!r}; {advice}")


def test_a_registered_name_is_refused_for_its_kind_alone(dstoolkit, tmp_path):
    output = dstoolkit("plugins", "new", "ctc", "--kind", "loss", "--out", tmp_path, status=2).output
    wanted = "loss 'ctc': is registered already, by 'dstoolkit'; choose another name, or uninstall that one"
    assert output == f"dstoolkit: {wanted}\n"
    assert not list(tmp_path.iterdir())
    dstoolkit("plugins", "new", "ctc", "--kind", "encoder", "--out", tmp_path)


def test_the_name_of_an_installed_distribution_is_refused():
    """Whose plugin is of another kind: installing the new package would replace it."""
    registry = plugins.Registry(metadata.EntryPoints())
    registry.entries.append(plugins.Entry("other", "dstoolkit-mine", "1.0"))
    with pytest.raises(PluginError, match="package 'dstoolkit-mine': is installed already"):
        plugins_new.check_free(registry, "mine", "loss")
    plugins_new.check_free(registry, "other", "loss")


def test_what_is_there_is_kept_unless_forced(dstoolkit, tmp_path):
    folder = tmp_path / "dstoolkit-net"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    arguments = ("plugins", "new", "net", "--kind", "encoder", "--out", tmp_path)
    output = dstoolkit(*arguments, status=2).output
    assert output.startswith(f"dstoolkit: {folder}: is there already; choose another name or --out, or pass --force")
    assert tree(tmp_path) == {"dstoolkit-net/mine.txt": "mine"}
    dstoolkit(*arguments, "--force")
    assert (folder / "pyproject.toml").is_file()
    assert not (folder / "mine.txt").exists()
    assert [each.name for each in tmp_path.iterdir()] == ["dstoolkit-net"]


def test_nothing_is_left_of_a_package_that_could_not_be_written(dstoolkit, tmp_path, monkeypatch):
    def write(folder, contents):
        (folder / "pyproject.toml").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plugins_new, "write", write)
    output = dstoolkit("plugins", "new", "net", "--kind", "encoder", "--out", tmp_path, status=2).output
    assert output == f"dstoolkit: {tmp_path / 'dstoolkit-net'}: no space left on device\n"
    assert not list(tmp_path.iterdir())


def test_a_value_that_a_template_lacks_is_an_error(monkeypatch):
    found = plugins_new.variables("net", "encoder")
    del found["summary"]
    monkeypatch.setattr(plugins_new, "variables", lambda name, kind: found)
    with pytest.raises(jinja2.UndefinedError, match="'summary' is undefined"):
        plugins_new.render("net", "encoder")


def test_setup_ships_every_template():
    """And whatever else in the package is no module."""
    (found,) = re.findall(r"package_data=(\{.+?\})", (ROOT / "setup.py").read_text())
    package = ROOT / "dstoolkit"
    shipped = {path for pattern in ast.literal_eval(found)["dstoolkit"] for path in package.glob(pattern)}
    tracked = {path for path in plugins_new.TEMPLATES.rglob("*") if path.is_file()}
    assert len(tracked) == 4 + 3 * len(KINDS)
    assert tracked <= shipped
