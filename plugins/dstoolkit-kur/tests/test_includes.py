"""Included files: who wins, how lists are merged, and what is refused, with the line that includes."""

from __future__ import annotations

import pytest
from dstoolkit_kur.kurfile import Kurfile

from dstoolkit.errors import ConfigError


def test_the_including_file_wins_and_earlier_includes_over_later_ones(write):
    write("settings: {a: 1, b: 1, c: 1}\n", "parts/first.yml")
    write("settings: {b: 2, c: 2, d: 2}\n", "parts/second.yml")
    path = write("include: [parts/first.yml, parts/second.yml]\nsettings: {c: 3}\n")
    kurfile = Kurfile.load(path)
    assert kurfile.settings.value == {"a": 1, "b": 1, "c": 3, "d": 2}
    assert [each.name for each in kurfile.files] == ["k.yml", "first.yml", "second.yml"]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("blend", [{"a": 1, "b": 2}, 20, 3]),
        ("merge", [{"b": 2}, 20]),
        ("concat", [{"a": 1, "b": 1}, 2, 3, {"b": 2}, 20]),
    ],
)
def test_methods(write, method, expected):
    write("settings: {x: [{a: 1, b: 1}, 2, 3]}\n", "part.yml")
    path = write(f"include: {{source: part.yml, method: {method}}}\nsettings: {{x: [{{b: 2}}, 20]}}\n")
    assert Kurfile.load(path).settings.get("x").value == expected


def test_patterns_and_relative_paths(write):
    write("settings: {a: 1}\n", "parts/1.yml")
    write("include: deeper/3.yml\nsettings: {b: 2}\n", "parts/2.yml")
    write("settings: {c: 3}\n", "parts/deeper/3.yml")
    path = write('include: "part[s]/*.yml"\nsettings: {sum: "{{ a + b + c }}"}\n')
    assert Kurfile.load(path).settings.get("sum").value == 6


def test_a_file_included_twice_counts_once(write):
    write("settings: {x: [1]}\n", "shared.yml")
    for name in ("one", "two"):
        write("include: {source: shared.yml, method: concat}\n", f"{name}.yml")
    path = write("include: [{source: one.yml, method: concat}, {source: two.yml, method: concat}]\n")
    kurfile = Kurfile.load(path)
    assert kurfile.settings.value == {"x": [1]}
    assert [each.name for each in kurfile.files].count("shared.yml") == 1


def test_an_alias_in_one_file_is_the_section_of_another(write):
    write("training: {epochs: 3, log: x}\n", "part.yml")
    kurfile = Kurfile.load(write("include: part.yml\ntrain: {epochs: 5}\n"))
    assert kurfile.section("train").value == {"epochs": 5, "log": "x"}


def test_errors_name_the_included_file(write):
    part = write('train:\n  epochs: "{{ x }}"\n', "part.yml")
    with pytest.raises(ConfigError, match=r"no variable 'x'") as error:
        Kurfile.load(write("include: part.yml\nsettings: {y: 1}\n"))
    assert str(error.value).startswith(f"{part}:2: train.epochs: ")


@pytest.mark.parametrize(
    ("include", "told"),
    [
        ("gone.yml", "include: no file {folder}/gone.yml; expected a Kurfile"),
        ('"gone/*.yml"', "include: no file like {folder}/gone/*.yml; expected one or more"),
        ("[3]", "include[0]: 3; expected a path"),
        ("{source: a.yml, methd: blend}", "include.methd: no such option; did you mean 'method'?"),
        ("{source: a.yml, method: blnd}", "include.method: 'blnd'"),
        ("{method: blend}", "include: no source; expected a path"),
        ("round.yml", None),
    ],
)
def test_refused_with_its_line(write, tmp_path, include, told):
    path = write(f"settings: {{}}\ninclude: {include}\n")
    circle = write("# a comment\ninclude: k.yml\n", "round.yml")
    with pytest.raises(ConfigError) as error:
        Kurfile.load(path)
    if told is None:
        assert str(error.value).startswith(
            f"{circle}:2: include: 'k.yml', which includes this file; expected no circle"
        )
    else:
        assert str(error.value).startswith(f"{path}:2: {told.format(folder=tmp_path)}")
