"""``dstoolkit plugins list`` and ``check``: what they print and how they exit."""

from __future__ import annotations

import json
import re

from dstoolkit import __version__, plugins
from tests.plugin_packages import ENCODER


def test_list_shows_states_and_conflicts(installed, dstoolkit, monkeypatch):
    monkeypatch.setenv(plugins.DISABLE, "shut")
    toy = ENCODER.format(name="toy")
    watcher = "@hookimpl\ndef dstoolkit_train_start(run): pass"
    installed(one=toy, two=toy, bad="import einops_is_not_here", shut=toy, watcher=watcher)
    lines = dstoolkit("plugins", "list").output.splitlines()
    assert lines[0] == f"builtins (dstoolkit {__version__}): ok"
    assert "  encoders:       conformer, deepspeech, deepspeech2, layers" in lines
    assert "bad (toy-bad 1.5): failed: no module named 'einops_is_not_here'" in lines
    assert "shut (toy-shut 1.5): blocked: named in DSTOOLKIT_DISABLE_PLUGINS" in lines
    assert lines[lines.index("two (toy-two 1.5): ok") + 1] == "  encoders:       toy"
    assert lines[lines.index("watcher (toy-watcher 1.5): ok") + 1] == "  hooks:          dstoolkit_train_start"
    assert lines[-1] == (
        "conflict: encoder 'toy' is claimed by 'toy-one 1.5' and 'toy-two 1.5'; "
        "uninstall one or name one in DSTOOLKIT_DISABLE_PLUGINS"
    )


def test_list_as_json(installed, dstoolkit):
    installed(one=ENCODER.format(name="toy"), two="1 / 0")
    listed = json.loads(dstoolkit("plugins", "list", "--json").output)
    assert listed["conflicts"] == []
    assert [each["name"] for each in listed["plugins"]] == ["builtins", "one", "two"]
    assert listed["plugins"][1] == {
        "name": "one",
        "distribution": "toy-one",
        "version": "1.5",
        "module": "toy_one",
        "status": "ok",
        "why": "",
        "provides": {"encoders": ["toy"]},
        "hooks": [],
    }
    assert (listed["plugins"][2]["status"], listed["plugins"][2]["why"]) == (
        "failed",
        "ZeroDivisionError: division by zero",
    )


def test_check_names_each_check(dstoolkit):
    lines = dstoolkit("plugins", "check", "ctc").output.splitlines()
    assert lines[0] == "loss 'ctc':"
    assert "  ok       equals_the_reference" in lines
    count = len(lines) - 2
    assert lines[-1] == f"{count} checks: {count} ok"


def test_check_of_a_broken_plugin_exits_with_2_and_says_why(installed, dstoolkit):
    """The toy is no module, and leaves the padding's garbage in."""
    installed(one=ENCODER.format(name="toy"))
    output = dstoolkit("plugins", "check", "toy", status=2).output
    assert "encoder 'toy':" in output
    assert "  failed   is_a_module: is no torch.nn.Module; inherit from Encoder and torch.nn.Module" in output
    assert re.search(r"\d+ checks: \d+ ok, \d+ failed", output.splitlines()[-1])


def test_check_takes_options(dstoolkit):
    output = dstoolkit("plugins", "check", "characters", "--set", "characters=ab", status=2).output
    assert "failed   round_trip: raised DataError: tokenizer 'characters': no token for" in output
    output = dstoolkit("plugins", "check", "characters", "--set", "character=ab", status=2).output
    assert "tokenizer 'characters': character: no such option; did you mean 'characters'?" in output
    output = dstoolkit("plugins", "check", "train", "--set", "x=1", status=2).output
    assert "command 'train' has no options" in output


def test_check_finds_every_kind_of_a_name(installed, dstoolkit):
    """One name may be an encoder and a loss; --kind chooses."""
    installed(one=ENCODER.format(name="ctc"))
    both = dstoolkit("plugins", "check", "ctc", status=2).output
    assert "encoder 'ctc':" in both
    assert "loss 'ctc':" in both
    assert "encoder" not in dstoolkit("plugins", "check", "ctc", "--kind", "losses").output


def test_check_of_a_corpus_at_hand(tmp_path, installed, dstoolkit):
    source = """
    @hookimpl
    def dstoolkit_register_corpora():
        from tests.testing.sound import Folder
        return [Folder]
    """
    installed(one=source)
    (tmp_path / "wavs").mkdir()
    for name in ("one", "two"):
        (tmp_path / "wavs" / f"{name}.wav").write_bytes(b"")
    output = dstoolkit("plugins", "check", "folder", "--folder", tmp_path / "wavs").output
    assert "ok       texts_are_disjoint" in output
    assert "skipped" in dstoolkit("plugins", "check", "folder").output


def test_check_of_an_unknown_name_says_what_there_is(installed, dstoolkit):
    installed(bad="import einops_is_not_here")
    output = dstoolkit("plugins", "check", "absent", status=2).output
    assert output.startswith("dstoolkit: no plugin 'absent' (have: ")
    assert "deepspeech" in output
    assert "plugin 'bad' failed to load: no module named 'einops_is_not_here'; see 'dstoolkit plugins list'" in output


def test_check_of_a_name_in_conflict_names_both(installed, dstoolkit):
    installed(one=ENCODER.format(name="toy"), two=ENCODER.format(name="toy"))
    output = dstoolkit("plugins", "check", "toy", status=2).output
    assert "encoder 'toy' is claimed by 'toy-one 1.5' and 'toy-two 1.5'" in output
