"""Errors in one form, and several at once."""

from __future__ import annotations

import inspect
import pickle

import pytest

from dstoolkit import errors
from dstoolkit.errors import ConfigError, DataError, DstoolkitError, Faults, few


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        (("data/x:3", "2 fields", "expected 3", "see docs"), "data/x:3: 2 fields; expected 3; see docs"),
        (("data/x", "empty"), "data/x: empty"),
        (("data/x", "empty", "", "remove it"), "data/x: empty; remove it"),
        (("", "no encoder 'x'"), "no encoder 'x'"),
    ],
)
def test_an_error_is_one_line(parts: tuple[str, ...], line: str) -> None:
    assert str(DataError(*parts)) == line


def test_nothing_found_raises_nothing() -> None:
    Faults.check([])


def test_one_fault_is_raised_as_itself() -> None:
    fault = ConfigError("a", "b")
    with pytest.raises(ConfigError) as caught:
        Faults.check(iter([fault]))
    assert caught.value is fault


def test_ten_faults_are_shown_and_the_rest_counted() -> None:
    faults = [DataError(f"line {at}", "bad") for at in range(25)]
    with pytest.raises(Faults) as caught:
        Faults.check(faults)
    assert caught.value.faults == tuple(faults)
    lines = str(caught.value).splitlines()
    assert lines == [f"line {at}: bad" for at in range(10)] + ["and 15 more faults"]


def test_ten_faults_need_no_count() -> None:
    assert len(str(Faults([DataError("x", "bad")] * 10)).splitlines()) == 10


def kinds() -> list[type[DstoolkitError]]:
    return [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, DstoolkitError)]


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_is_for_the_user_to_mend_and_crosses_processes(kind: type[DstoolkitError]) -> None:
    error = Faults([DataError("a", "b")]) if kind is Faults else kind("a", "b", "c", "d")
    assert error.exit_code == 2
    copy = pickle.loads(pickle.dumps(error))  # as from a worker process
    assert (type(copy), str(copy)) == (kind, str(error))


def test_a_few_names_and_a_count():
    assert few(["a"]) == "'a'"
    assert few(list("abc")) == "'a', 'b', 'c'"
    assert few(list("abcde")) == "'a', 'b', 'c' and 2 more"
    assert few([]) == ""
