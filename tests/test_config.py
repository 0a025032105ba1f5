"""Configuration: what YAML says, what overrides change, what dataclasses refuse."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstoolkit import config
from dstoolkit.config import Choice
from dstoolkit.errors import ConfigError, Faults, PluginError

GREEDY = Choice("greedy")


@dataclass(frozen=True)
class Inner:
    lr: float = 0.1
    epochs: int = 3

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}; expected 1 or more")


@dataclass(frozen=True)
class Outer:
    train: Inner = field(default_factory=Inner)
    encoder: Choice = field(default_factory=lambda: Choice("deepspeech"))
    mode: Literal["global", "speaker"] = "global"
    window: tuple[int, int] = (1, 2)
    sizes: tuple[int, ...] = ()
    names: list[str] = field(default_factory=list)
    clip: float | None = None
    on: bool = True
    where: Path | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    decoder: Choice = GREEDY
    other: Choice | None = None


def build(values: Any) -> Outer:
    return config.build(Outer, values, "c.yaml")


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "c.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [  # the core schema of YAML 1.2.2, section 10.3.2, and what 1.1 read otherwise
        ("1e-3", 0.001),
        ("-.5", -0.5),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("12:30", "12:30"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("null", None),
        ("~", None),
        ("", ""),
        ("2024-01-31", "2024-01-31"),
        ("2024-13-99", "2024-13-99"),
        ("[1, 2.5, x]", [1, 2.5, "x"]),
        ("{name: fbank, size: 8}", {"name": "fbank", "size": 8}),
        ("'a: b'", "a: b"),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    parsed = config.load(None, [f"key={text}"])["key"]
    assert parsed == value
    assert type(parsed) is type(value)


def test_defaults_then_file_then_overrides(tmp_path: Path) -> None:
    path = written(tmp_path, "train: {lr: 1e-3, epochs: 5}\n")
    built = build(config.load(path, ["train.epochs=7", "train.epochs=8"]))
    assert built.train == Inner(lr=0.001, epochs=8)
    assert built.seed == 0


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert build(config.load(written(tmp_path, "# nothing\n"))) == Outer()


def test_an_override_goes_into_a_plugin_named_by_a_word(tmp_path: Path) -> None:
    path = written(tmp_path, "encoder: deepspeech\n")
    values = config.load(path, ["encoder.size=8"])
    assert build(values).encoder == Choice("deepspeech", {"size": 8})


def test_options_without_a_name_are_those_of_the_default_plugin() -> None:
    built = build(config.load(None, ["encoder.size=8", "decoder.beam=4"]))
    assert built.encoder == Choice("deepspeech", {"size": 8})
    assert built.decoder == Choice("greedy", {"beam": 4})


def test_an_override_changes_one_of_two_sections_that_share_an_anchor(tmp_path: Path) -> None:
    path = written(tmp_path, "train: &a {lr: 0.5}\nother: *a\n")
    values = config.load(path, ["train.lr=0.25"])
    assert values == {"train": {"lr": 0.25}, "other": {"lr": 0.5}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: [1, 2\n", "c.yaml:2: not YAML: "),
        ("a: 1\nb: 2\na: 3\n", "c.yaml:3: not YAML: found duplicate key"),
        ("- a\n", "c.yaml: ['a']; expected 'option: value' lines"),
        ("word", "c.yaml: 'word'; expected 'option: value' lines"),
        (b"a: \xff\n", "c.yaml: not UTF-8 text"),
        ("a: \x01\n", "c.yaml: not YAML: "),
        ("a: !!python/object:os.system x\n", "c.yaml:1: not YAML: "),
        ("a: &x [*x]\n", "c.yaml: values within values without end"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(written(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file or directory"):
        config.load(tmp_path / "none.yaml")


@pytest.mark.parametrize("override", ["train", "=3", "train.=3", ".lr=3", "a..b=1"])
def test_an_override_that_assigns_nothing(override: str) -> None:
    with pytest.raises(ConfigError, match=r"not an assignment; expected 'section\.option=value'"):
        config.load(None, [override])


def test_an_override_whose_value_is_no_yaml() -> None:
    with pytest.raises(ConfigError, match=r"--set train\.lr=\[1: not a YAML value"):
        config.load(None, ["train.lr=[1"])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train": {"epoch": 5}}, "c.yaml: train.epoch: no such option; did you mean 'epochs'?"),
        ({"train": {"epochs": "5"}}, "c.yaml: train.epochs: '5'; expected a whole number"),
        ({"train": {"epochs": True}}, "c.yaml: train.epochs: True; expected a whole number"),
        ({"train": {"epochs": 2.0}}, "c.yaml: train.epochs: 2.0; expected a whole number"),
        ({"train": {"epochs": 0}}, "c.yaml: train: epochs is 0; expected 1 or more"),
        ({"train": {"lr": False}}, "c.yaml: train.lr: False; expected a number"),
        ({"train": 5}, "c.yaml: train: 5; expected 'option: value' lines"),
        ({"mode": "globl"}, "c.yaml: mode: 'globl'; expected one of 'global', 'speaker'; did you mean 'global'?"),
        ({"window": [1]}, "c.yaml: window: 1 values; expected 2"),
        ({"window": [1, "x"]}, "c.yaml: window[1]: 'x'; expected a whole number"),
        ({"sizes": 3}, "c.yaml: sizes: 3; expected a list, each a whole number"),
        ({"names": "abc"}, "c.yaml: names: 'abc'; expected a list, each a word"),
        ({"names": ["a", 1]}, "c.yaml: names[1]: 1; expected a word"),
        ({"clip": "no"}, "c.yaml: clip: 'no'; expected a number or null"),
        ({"on": "no"}, "c.yaml: on: 'no'; expected true or false"),
        ({"encoder": {"name": 3}}, "c.yaml: encoder: {'name': 3}; expected a plugin's name or"),
        ({"other": {"size": 3}}, "c.yaml: other: {'size': 3}; expected a plugin's name or"),
        ({"encoder": 3}, "c.yaml: encoder: 3; expected a plugin's name or"),
        ({"weights": [1]}, "c.yaml: weights: [1]; expected 'option: value' lines"),
        ({1: 2}, "c.yaml: 1: no such option; expected one of: train, encoder,"),
        ([1], "c.yaml: [1]; expected 'option: value' lines"),
    ],
)
def test_what_is_refused_and_how(values: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(values)
    assert str(caught.value).startswith(message)


def test_all_faults_at_once() -> None:
    with pytest.raises(Faults) as caught:
        build({"train": {"epoch": 5, "lr": "fast"}, "seed": None, "sed": 1})
    assert {fault.where for fault in caught.value.faults} == {
        "c.yaml: train.epoch",
        "c.yaml: train.lr",
        "c.yaml: seed",
        "c.yaml: sed",
    }


def test_values_take_the_type_of_their_field() -> None:
    built = build(
        {"train": {"lr": 1}, "clip": 2, "window": [3, 4], "sizes": [5], "names": ["a"], "where": "x/y", "on": False}
    )
    assert (built.train.lr, built.clip) == (1.0, 2.0)
    assert isinstance(built.train.lr, float)
    assert isinstance(built.clip, float)
    assert (built.window, built.sizes, built.names) == ((3, 4), (5,), ["a"])
    assert (built.where, built.on) == (Path("x/y"), False)


def test_a_whole_number_too_large_for_a_float_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a number"):
        build({"train": {"lr": 10**400}})


@pytest.mark.parametrize(
    ("value", "choice"),
    [
        ("dense", Choice("dense")),
        ({"name": "dense"}, Choice("dense")),
        ({"name": "dense", "size": 3}, Choice("dense", {"size": 3})),
    ],
)
def test_the_forms_of_a_choice(value: Any, choice: Choice) -> None:
    built = build({"encoder": value}).encoder
    assert built == choice == config.as_choice(value, "here")
    assert built.where == "c.yaml: encoder"


# ruamel.yaml 0.19 writes the line breaks that YAML 1.2 dropped (NEL, LS, PS) as spaces.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029"), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(texts, values, max_size=4))
def test_what_is_dumped_is_read_back(tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("yaml") / "c.yaml"
    path.write_text(config.dump(values), encoding="utf-8", newline="")
    assert config.load(path) == values


outers = st.builds(
    Outer,
    train=st.builds(Inner, lr=st.floats(allow_nan=False), epochs=st.integers(1, 100)),
    encoder=st.builds(Choice, st.text(min_size=1), st.dictionaries(st.sampled_from(["size", "depth"]), st.integers())),
    mode=st.sampled_from(["global", "speaker"]),
    window=st.tuples(st.integers(), st.integers()),
    sizes=st.lists(st.integers()).map(tuple),
    names=st.lists(st.text()),
    clip=st.none() | st.floats(allow_nan=False),
    on=st.booleans(),
    where=st.none() | st.sampled_from([Path("a"), Path("/b/c")]),
    weights=st.dictionaries(st.text(), st.floats(allow_nan=False)),
    seed=st.integers(),
)


@given(outers)
def test_plain_values_build_the_same_again(outer: Outer) -> None:
    assert build(config.plain(outer)) == outer


def test_plain_values_are_copies() -> None:
    inner = {"a": [1]}
    copy = config.plain(inner)
    copy["a"].append(2)
    assert inner == {"a": [1]}


@pytest.mark.parametrize(
    ("where", "key", "joined"), [("", "a", "a"), ("f.yaml", "a", "f.yaml: a"), ("f.yaml: a", "b", "f.yaml: a.b")]
)
def test_places_join_with_dots_after_the_file(where: str, key: str, joined: str) -> None:
    assert config.join(where, key) == joined


class TestAPluginsConfig:
    def test_one_that_will_do(self) -> None:
        config.check_dataclass("x", Inner)

    def test_no_dataclass(self) -> None:
        with pytest.raises(PluginError, match="has no Config"):
            config.check_dataclass("x", dict)

    def test_one_that_can_be_changed(self) -> None:
        with pytest.raises(PluginError, match="can be changed; expected '@dataclass"):
            config.check_dataclass("x", dataclasses.make_dataclass("Config", [("a", int, 1)]))

    def test_an_option_without_a_default(self) -> None:
        with pytest.raises(PluginError, match="gives 'a' no default"):
            config.check_dataclass("x", dataclasses.make_dataclass("Config", [("a", int)], frozen=True))

    def test_a_type_that_cannot_be_read(self) -> None:
        cls = dataclasses.make_dataclass("Config", [("a", "Nowhere", 1)], frozen=True)
        with pytest.raises(PluginError, match="a type that cannot be read: name 'Nowhere' is not defined"):
            config.check_dataclass("x", cls)
