"""``dstoolkit plugins show``: a plugin, an entry point, a distribution, and what it refuses."""

from __future__ import annotations

import json
import textwrap

from dstoolkit import plugins
from tests.plugin_packages import ENCODER

FOCAL = """
@hookimpl
def dstoolkit_register_encoders():
    import dataclasses
    from dstoolkit.interfaces import Encoder

    @dataclasses.dataclass(frozen=True)
    class Options:
        '''size: units'''
        size: int = 7
        rate: float = 0.5  # Hz

    class Focal(Encoder):
        '''A net.

            Indented.
        Not.
        '''
        name = "focal"
        Config = Options
        expected_failures = {"is_a_module": "it is none"}

        def __init__(self, config, input_dim): pass
        def forward(self, frames, lengths): return frames, lengths
        def output_lengths(self, lengths): return lengths

    return [Focal]
"""

TOY, TWIN = ENCODER.format(name="toy"), ENCODER.format(name="twin")


def add_metadata(folder, name, text):
    with (folder / f"toy_{name}-1.5.dist-info" / "METADATA").open("a") as file:
        file.write(textwrap.dedent(text))


def shown(dstoolkit, *words):
    return json.loads(dstoolkit("plugins", "show", *words, "--json").output)


def test_a_plugin_and_its_options(installed, dstoolkit, tmp_path):
    installed(one=FOCAL)
    add_metadata(tmp_path, "one", "License: MIT\nProject-URL: Home-Page, http://127.0.0.1/focal\n")
    assert dstoolkit("plugins", "show", "focal").output == textwrap.dedent("""\
        encoder 'focal' (toy-one 1.5)
          A net.

              Indented.
          Not.

          class:           toy_one.dstoolkit_register_encoders.<locals>.Focal
          entry point:     one = toy_one
          plugin API:      1
          home page:       http://127.0.0.1/focal
          package licence: MIT

          options:
            size=7 (a whole number)
                units
            rate=0.5 (a number)
                Hz

          expected failures:
            is_a_module: it is none
        """)


def test_a_plugin_as_json(installed, dstoolkit):
    installed(one=FOCAL)
    assert shown(dstoolkit, "focal") == {
        "plugins": [
            {
                "name": "focal",
                "kind": "encoders",
                "class": "toy_one.dstoolkit_register_encoders.<locals>.Focal",
                "doc": "A net.\n\n    Indented.\nNot.",
                "attributes": {},
                "distribution": "toy-one",
                "version": "1.5",
                "home_page": "",
                "licence": "",
                "entry_point": "one",
                "module": "toy_one",
                "api": 1,
                "options": [
                    {"name": "size", "type": "a whole number", "default": 7, "help": "units"},
                    {"name": "rate", "type": "a number", "default": 0.5, "help": "Hz"},
                ],
                "expected_failures": {"is_a_module": "it is none"},
            }
        ],
        "entry_points": [],
    }


def test_every_plugin_of_ours_can_be_shown(dstoolkit):
    registry = plugins.load()
    assert all(registry.names(kind) for kind in plugins.KINDS)  # which fills 'provides'
    (ours,) = (entry for entry in registry.entries if entry.name == "builtins")  # others may be installed too
    assert set(ours.provides) == set(plugins.KINDS)
    for kind, names in ours.provides.items():
        for name in names:
            (found,) = shown(dstoolkit, name, "--kind", kind)["plugins"]
            assert (found["name"], found["kind"], found["distribution"]) == (name, kind, "dstoolkit")
            assert found["doc"] or kind == "commands"
            assert dstoolkit("plugins", "show", name, "--kind", kind).output.count(f"{name!r} (dstoolkit ") == 1


def test_what_a_kind_states_and_the_modules_own_text(dstoolkit):
    """A corpus's licence is not that of the package which fetches it."""
    (found,) = shown(dstoolkit, "an4")["plugins"]
    assert found["attributes"]["licence"] == "BSD-style (Carnegie Mellon University)"
    assert found["licence"] == "Apache-2.0"
    lines = dstoolkit("plugins", "show", "deepspeech").output.splitlines()
    assert "  Hannun et al. 2014" in "\n".join(lines)
    assert "no options" in dstoolkit("plugins", "show", "greedy").output
    assert "options" not in dstoolkit("plugins", "show", "train").output


def test_a_name_of_two_kinds(installed, dstoolkit):
    installed(one=ENCODER.format(name="ctc"))
    assert [each["kind"] for each in shown(dstoolkit, "ctc")["plugins"]] == ["encoders", "losses"]
    assert [each["kind"] for each in shown(dstoolkit, "ctc", "--kind", "losses")["plugins"]] == ["losses"]


def test_licences_and_home_pages_of_old_and_new_metadata(installed, dstoolkit, tmp_path):
    installed(new=TOY, old=FOCAL, odd=TWIN)
    add_metadata(
        tmp_path, "new", "License-Expression: MIT OR Apache-2.0\nLicense: other\nHome-page: http://127.0.0.1/\n"
    )
    classifier = "Classifier: License :: OSI Approved :: ISC License (ISCL)\n"
    add_metadata(tmp_path, "old", f"License: UNKNOWN\nHome-page: UNKNOWN\n{classifier}")
    add_metadata(tmp_path, "odd", "Project-URL: Source, http://127.0.0.1/source\nLicense: First line\n        Second\n")
    found = {name: shown(dstoolkit, name)["plugins"][0] for name in ("toy", "focal", "twin")}
    assert {name: (each["licence"], each["home_page"]) for name, each in found.items()} == {
        "toy": ("MIT OR Apache-2.0", "http://127.0.0.1/"),
        "focal": ("ISC License (ISCL)", ""),
        "twin": ("First line", ""),
    }


def test_an_entry_point_or_a_distribution_shows_its_state_and_what_it_registered(installed, dstoolkit):
    installed(one=TOY + "\n@hookimpl\ndef dstoolkit_train_start(run): pass\n")
    wanted = textwrap.dedent("""\
        entry point 'one' (toy-one 1.5): ok
          entry point:     one = toy_one
          plugin API:      1
          encoders:        toy
          hooks:           dstoolkit_train_start
        """)
    for name in ("one", "toy-one", "Toy_One"):
        assert dstoolkit("plugins", "show", name).output == wanted
    (entry,) = shown(dstoolkit, "one")["entry_points"]
    assert (entry["status"], entry["provides"], entry["conflicts"]) == ("ok", {"encoders": ["toy"]}, [])


def test_failed_and_blocked_ones_say_why(installed, dstoolkit, monkeypatch):
    monkeypatch.setenv(plugins.DISABLE, "shut")
    late = "@hookimpl\ndef dstoolkit_register_losses(): return 1 / 0"
    installed(bad="import einops_is_not_here", shut=TOY, future="DSTOOLKIT_API = 9", late=late)
    first = {name: dstoolkit("plugins", "show", name).output.splitlines()[0] for name in ("bad", "shut", "late")}
    assert first == {
        "bad": "entry point 'bad' (toy-bad 1.5): failed: no module named 'einops_is_not_here'",
        "shut": "entry point 'shut' (toy-shut 1.5): blocked: named in DSTOOLKIT_DISABLE_PLUGINS",
        "late": "entry point 'late' (toy-late 1.5): failed: ZeroDivisionError: division by zero",
    }
    (future,) = shown(dstoolkit, "future")["entry_points"]
    assert (future["status"], future["api"]) == ("failed", 9)
    assert "states DSTOOLKIT_API = 9; this dstoolkit speaks 1" in future["why"]
    assert "plugin API:      9" in dstoolkit("plugins", "show", "future").output


def test_a_plugin_does_not_hide_a_broken_entry_point_of_its_name(installed, dstoolkit):
    installed(one=TOY, toy="import einops_is_not_here")
    assert dstoolkit("plugins", "show", "toy").output.splitlines()[0] == "encoder 'toy' (toy-one 1.5)"
    assert "entry point 'toy' (toy-toy 1.5): failed" in dstoolkit("plugins", "show", "toy").output
    assert shown(dstoolkit, "toy", "--kind", "encoders")["entry_points"] == []


def test_a_name_claimed_twice_is_the_conflict(installed, dstoolkit):
    installed(one=TWIN, two=TWIN)
    conflict = (
        "encoder 'twin' is claimed by 'toy-one 1.5' and 'toy-two 1.5'; "
        "uninstall one or name one in DSTOOLKIT_DISABLE_PLUGINS"
    )
    for options in ([], ["--json"], ["--kind", "encoders"]):
        assert dstoolkit("plugins", "show", "twin", *options, status=2).output == f"dstoolkit: {conflict}\n"
    assert f"  conflict:        {conflict}" in dstoolkit("plugins", "show", "one").output.splitlines()
    assert shown(dstoolkit, "toy-two")["entry_points"][0]["conflicts"] == [conflict]


def test_an_unknown_name_is_answered_with_the_nearest(installed, dstoolkit):
    installed(bad="import einops_is_not_here", one=FOCAL)
    refused = {
        name: dstoolkit("plugins", "show", *name.split(), status=2).output
        for name in ("deepspech", "toy-onne", "focl --kind encoders", "focal --kind losses", "zzz")
    }
    assert refused["deepspech"] == "dstoolkit: no plugin 'deepspech'; did you mean 'deepspeech'?\n"
    assert refused["toy-onne"] == "dstoolkit: no plugin 'toy-onne'; did you mean 'toy-one'?\n"
    assert refused["focl --kind encoders"] == "dstoolkit: no encoder 'focl'; did you mean 'focal'?\n"
    why = "plugin 'bad' failed to load: no module named 'einops_is_not_here'; see 'dstoolkit plugins list'"
    assert refused["focal --kind losses"] == f"dstoolkit: no loss 'focal' (have: ctc); {why}\n"
    assert refused["zzz"].startswith("dstoolkit: no plugin 'zzz' (have: align, an4, ")
    assert why in refused["zzz"]


def test_a_default_that_cannot_be_made_is_that_plugins_fault(installed, dstoolkit):
    factory = "rate: float = dataclasses.field(default_factory=lambda: 1 / 0)"
    installed(one=FOCAL.replace("rate: float = 0.5  # Hz", factory))
    output = dstoolkit("plugins", "show", "focal", status=2).output
    assert output == "dstoolkit: encoder 'focal': cannot be described: ZeroDivisionError: division by zero\n"
    assert shown(dstoolkit, "one")["entry_points"][0]["provides"] == {"encoders": ["focal"]}
