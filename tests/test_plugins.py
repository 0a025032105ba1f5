"""Loading, blocking and looking up: one bad plugin never takes the toolkit down, and says what is wrong with it."""

from __future__ import annotations

import logging
import sys

import pytest
import torch

from dstoolkit import __version__, config, interfaces, plugins
from dstoolkit.errors import ConfigError, PluginError
from tests.plugin_packages import ENCODER, entry_points, install


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """``registry(one=source, two=source)``: a registry of our built-ins and these plugins, freshly installed."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(**sources):
        for name, source in sources.items():
            install(tmp_path, name, *([source] if isinstance(source, str) else source))
            monkeypatch.delitem(sys.modules, f"toy_{name}", raising=False)
        ours = [each for each in plugins.metadata.entry_points(group="dstoolkit") if each.name == "builtins"]
        return plugins.Registry([*ours, *entry_points(tmp_path)])

    return make


def entry(registry, name):
    return next(each for each in registry.entries if each.name == name)


def test_a_plugin_is_found_by_name(registry):
    made = registry(good=ENCODER.format(name="toy"))
    assert made.get("encoders", "toy").name == "toy"
    found = entry(made, "good")
    assert (found.status, found.distribution, found.version, found.module) == ("ok", "toy-good", "1.5", "toy_good")
    assert found.provides == {"encoders": ["toy"]}
    assert made.names("encoders") == ["conformer", "deepspeech", "deepspeech2", "layers", "toy"]


def test_all_kinds_have_built_ins_and_no_conflicts():
    made = plugins.load()
    assert made.conflicts() == []
    assert {kind: bool(made.names(kind)) for kind in plugins.KINDS} == dict.fromkeys(plugins.KINDS, True)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import no_such_module_anywhere", "no module named 'no_such_module_anywhere'"),
        ("raise ValueError('bad\\n  size')", "ValueError: bad size"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def f(:", "SyntaxError: "),
        ("DSTOOLKIT_API = 7", "plugin 'bad': states DSTOOLKIT_API = 7; this dstoolkit speaks 1"),
        ("del DSTOOLKIT_API", "plugin 'bad': states no DSTOOLKIT_API"),
        ("@hookimpl\ndef dstoolkit_register_encoder(): pass", "did you mean 'dstoolkit_register_encoders'?"),
        ("@hookimpl\ndef dstoolkit_epoch_end(run, loss): pass", "PluginValidationError: "),
        ("@hookimpl(wrapper=True)\ndef dstoolkit_train_start(): return (yield)", "wraps 'dstoolkit_train_start'"),
    ],
)
def test_a_module_that_cannot_load_fails_alone(registry, source, why):
    made = registry(bad=source, good=ENCODER.format(name="toy"))
    bad = entry(made, "bad")
    assert bad.status == "failed"
    assert why in bad.why
    assert "\n" not in bad.why
    assert made.get("encoders", "toy").name == "toy"
    with pytest.raises(PluginError, match=r"plugin 'bad' failed to load: .*see 'dstoolkit plugins list'"):
        made.get("encoders", "absent")


HOOK = "@hookimpl\ndef dstoolkit_register_encoders():\n    "


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("import einops_is_not_here", "no module named 'einops_is_not_here'"),
        ("raise SystemExit(1)", "SystemExit: 1"),
        ("pass", "dstoolkit_register_encoders returned None; expected a list of classes"),
        ("return [int]", "encoder 'int': is no subclass of interfaces.Encoder"),
        ("return ['toy']", "is no subclass of interfaces.Encoder"),
        ("from dstoolkit.interfaces import Encoder; return [type('E', (Encoder,), {})]", "encoder 'E': has no name"),
        (
            "from dstoolkit.interfaces import Encoder; return [type('E', (Encoder,), {'name': 'e'})]",
            "encoder 'E': lacks __init__, forward, output_lengths; expected all of interfaces.Encoder",
        ),
    ],
)
def test_a_hook_that_fails_fails_alone(registry, body, why):
    made = registry(bad=HOOK + body, good=ENCODER.format(name="toy"))
    assert made.names("encoders") == ["conformer", "deepspeech", "deepspeech2", "layers", "toy"]
    assert entry(made, "bad").status == "failed"
    assert why in entry(made, "bad").why


def test_a_config_that_could_change_is_refused(registry):
    made = registry(bad=ENCODER.format(name="toy").replace("frozen=True", "frozen=False"))
    assert "its Config can be changed" in (made.names("encoders") and entry(made, "bad").why)
    made = registry(worse=ENCODER.format(name="toy").replace('("size", int, 3)', '("size", int)'))
    assert "its Config gives 'size' no default" in (made.names("encoders") and entry(made, "worse").why)


def test_a_command_without_help_is_refused(registry):
    source = """
    @hookimpl
    def dstoolkit_register_commands():
        from dstoolkit.interfaces import Command
        return [type("C", (Command,), {"name": "c", "click_command": staticmethod(lambda: None)})]
    """
    made = registry(bad=source)
    assert "c" not in made.names("commands")
    assert "command 'C': has no help" in entry(made, "bad").why


def test_two_claims_to_a_name_are_refused_naming_both(registry):
    made = registry(one=ENCODER.format(name="same"), two=ENCODER.format(name="same"))
    with pytest.raises(PluginError) as caught:
        made.get("encoders", "same", "conf/x.yaml: encoder")
    assert str(caught.value) == (
        "conf/x.yaml: encoder: encoder 'same' is claimed by 'toy-one 1.5' and 'toy-two 1.5'; "
        "uninstall one or name one in DSTOOLKIT_DISABLE_PLUGINS"
    )
    assert [str(each) for each in made.conflicts()] == [str(caught.value).removeprefix("conf/x.yaml: encoder: ")]
    assert made.get("encoders", "deepspeech").name == "deepspeech"


def test_a_claim_to_our_name_is_no_way_in(registry):
    made = registry(thief=ENCODER.format(name="deepspeech"))
    with pytest.raises(PluginError, match=r"claimed by 'dstoolkit [^']+' and 'toy-thief 1.5'"):
        made.get("encoders", "deepspeech")


@pytest.mark.parametrize("blocked", ["one", "toy-one", "Toy_One", " one , other"])
def test_blocking_by_entry_point_or_distribution(registry, monkeypatch, blocked):
    monkeypatch.setenv(plugins.DISABLE, blocked)
    made = registry(one=ENCODER.format(name="same"), two=ENCODER.format(name="same"))
    assert entry(made, "one").status == "blocked"
    assert entry(made, "one").why == "named in DSTOOLKIT_DISABLE_PLUGINS"
    assert made.get("encoders", "same").name == "same"
    assert "toy_one" not in sys.modules
    with pytest.raises(PluginError, match="plugin 'one' is blocked"):
        made.get("encoders", "absent")


CHOOSING = """
@hookimpl
def dstoolkit_make_optimizer(settings, parameters):
    {body}
"""


def test_the_first_answer_counts_and_ours_comes_last(registry):
    made = registry(
        one=CHOOSING.format(body='return "one" if settings["name"] == "lion" else None'),
        two=CHOOSING.format(body="return None"),
    )
    assert entry(made, "one").hooks == ["dstoolkit_make_optimizer"]
    assert made.ask("dstoolkit_make_optimizer", settings={"name": "lion"}, parameters=[]) == "one"
    parameter = torch.nn.Parameter(torch.zeros(1))
    ours = made.ask("dstoolkit_make_optimizer", settings={"name": "adamw", "lr": 0.1}, parameters=[parameter])
    assert type(ours).__name__ == "AdamW"
    scheduler = made.ask("dstoolkit_make_scheduler", settings={"name": "constant"}, optimizer=ours, total_steps=3)
    assert type(scheduler).__name__ == "LambdaLR"
    assert made.ask("dstoolkit_make_optimizer", settings={"name": "nobody's"}, parameters=[parameter]) is None


def test_a_stranger_may_replace_ours(registry):
    made = registry(one=CHOOSING.format(body='return "theirs"'))
    assert made.ask("dstoolkit_make_optimizer", settings={"name": "adamw"}, parameters=[]) == "theirs"


def test_a_choosing_hook_that_fails_names_its_plugin(registry):
    made = registry(bad=CHOOSING.format(body="raise KeyError('lr')"))
    with pytest.raises(PluginError, match=r"plugin 'toy-bad:bad': failed in dstoolkit_make_optimizer: KeyError: 'lr'"):
        made.ask("dstoolkit_make_optimizer", settings={}, parameters=[])
    refusal = "from dstoolkit.errors import ConfigError; raise ConfigError('train.optimizer', 'no lr')"
    with pytest.raises(ConfigError, match=r"^train.optimizer: no lr$"):
        registry(refuses=CHOOSING.format(body=refusal)).ask("dstoolkit_make_optimizer", settings={}, parameters=[])


FILES = """
@hookimpl
def dstoolkit_train_file(path, overrides, device, force):
    if path.suffix != ".toy":
        return None
    (path.parent / "asked").write_text(repr((path.name, list(overrides), device, force)))
    return path.with_suffix("")
"""


def test_a_plugin_trains_from_the_files_it_reads(registry, monkeypatch, dstoolkit, tmp_path):
    made = registry(files=FILES)
    monkeypatch.setattr(plugins, "load", lambda: made)
    (tmp_path / "mine.toy").write_text("")
    (tmp_path / "other.yml").write_text("")
    said = dstoolkit("train", tmp_path / "mine.toy", "--set", "train.lr=1", "--device", "cpu", "--force").output
    assert said == f"{tmp_path / 'mine.toy'}: trained into {tmp_path / 'mine'}\n"
    assert (tmp_path / "asked").read_text() == "('mine.toy', ['train.lr=1'], 'cpu', True)"
    beside = dstoolkit("train", tmp_path / "mine.toy", "--dev", tmp_path, status=2).output
    assert f"--dev: given beside the file '{tmp_path / 'mine.toy'}'; the file says what it trains on" in beside
    nobody = dstoolkit("train", tmp_path / "other.yml", status=2).output
    assert "other.yml: is a file; expected a folder; plugins that read experiment files: files; install" in nobody


def test_without_such_a_plugin_a_file_is_refused_and_a_folder_needs_its_data(
    registry, monkeypatch, dstoolkit, tmp_path
):
    made = registry()
    monkeypatch.setattr(plugins, "load", lambda: made)
    (tmp_path / "speech.yml").write_text("")
    refused = dstoolkit("train", tmp_path / "speech.yml", status=2).output
    assert "speech.yml: is a file; expected a folder; plugins that read experiment files: none; install" in refused
    lacking = dstoolkit("train", tmp_path / "exp", "--dev", tmp_path, status=2).output
    assert "missing --train, --tokenizer;" in lacking


OBSERVING = """
SEEN = []
@hookimpl
def dstoolkit_train_start(run): SEEN.append(run)
@hookimpl
def dstoolkit_epoch_end(run, metrics): {body}
@hookimpl
def dstoolkit_snapshot(run, metrics): SEEN.append((run, metrics))
@hookimpl
def dstoolkit_train_end(metrics): SEEN.append(metrics)
"""


def test_observers_are_all_called_though_one_fails(registry, caplog):
    good = OBSERVING.format(body="SEEN.append((run, metrics))")
    made = registry(bad=OBSERVING.format(body="1 / 0"), good=good, other=good)
    with caplog.at_level(logging.WARNING, "dstoolkit"):
        made.observe("dstoolkit_train_start", run="run")
        made.observe("dstoolkit_epoch_end", run="run", metrics={"epoch": 1})
        made.observe("dstoolkit_snapshot", run="run", metrics={"step": 9})
        made.observe("dstoolkit_train_end", run="run", metrics={"epoch": 2})
    seen = ["run", ("run", {"epoch": 1}), ("run", {"step": 9}), {"epoch": 2}]
    assert sys.modules["toy_good"].SEEN == sys.modules["toy_other"].SEEN == seen
    assert [each.getMessage() for each in caplog.records] == [
        "plugin 'toy-bad:bad' failed in dstoolkit_epoch_end: ZeroDivisionError: division by zero"
    ]


def test_unknown_names_say_what_there_is():
    with pytest.raises(PluginError, match=r"^conf/x.yaml: loss: no loss 'rnnt' \(have: .*ctc.*\)"):
        plugins.load().get("losses", "rnnt", "conf/x.yaml: loss")


def test_choose_checks_the_options():
    choice = config.Choice("deepspeech", {"kernel": 3}, "conf/x.yaml: encoder")
    with pytest.raises(ConfigError, match=r"^conf/x.yaml: encoder.kernel: no such option; did you mean 'kernels'\?$"):
        plugins.choose("encoders", choice)
    cls, options = plugins.choose("encoders", config.Choice("deepspeech", {"kernels": 3}))
    assert issubclass(cls, interfaces.Encoder)
    assert options.kernels == 3


def test_help_survives_a_claim_to_a_command(registry, monkeypatch, dstoolkit):
    source = """
    @hookimpl
    def dstoolkit_register_commands():
        from dstoolkit.interfaces import Command
        functions = {"click_command": staticmethod(lambda: None), "help": "Mine."}
        return [type("C", (Command,), {"name": name, **functions}) for name in ("train", "mine")]
    """
    made = registry(thief=source)
    monkeypatch.setattr(plugins, "load", lambda: made)
    shown = dstoolkit("--help").output
    claims = f"command 'train' is claimed by 'dstoolkit {__version__}' and 'toy-thief 1.5'"
    assert f"train ({claims};" in " ".join(shown.split())
    assert "mine Mine." in " ".join(shown.split())
    assert "decode " in shown
    assert claims in dstoolkit("train", "x", status=2).output
