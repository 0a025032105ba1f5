"""What every corpus's preparation must keep to, those of plugins too; and our own corpora under the contract kit."""

from __future__ import annotations

from pathlib import Path

import pytest

from dstoolkit import plugins
from dstoolkit.corpora import preparation
from dstoolkit.corpora.yesno import YesNo, YesNoConfig
from dstoolkit.errors import DstoolkitError
from dstoolkit.interfaces import Preparation, Utterance
from dstoolkit.testing import Subject, run_checks


def made(**splits: list[str]) -> Preparation:
    return Preparation({name: [Utterance(each, "x.wav", "s", "x") for each in ids] for name, ids in splits.items()})


@pytest.mark.parametrize(
    ("splits", "says"),
    [
        ({"train": ["a"], "dev": ["b"]}, "corpus 'yesno': no utterances in split 'test'"),
        ({"train": ["a"], "dev": ["b"], "test": []}, "no utterances in split 'test'"),
        ({"train": ["a"], "dev": ["b"], "test": ["a"]}, "utterance 'a' is there 2 times"),
        ({"train": ["a"], "dev": ["b"], "test": ["c"], "../x": ["d"]}, "split '../x'; expected a folder's name"),
    ],
)
def test_faulty_preparations_are_refused(splits: dict[str, list[str]], says: str) -> None:
    with pytest.raises(DstoolkitError) as caught:
        preparation.check(YesNo(YesNoConfig()), made(**splits))
    assert says in str(caught.value)


def test_sound_ones_are_not() -> None:
    preparation.check(YesNo(YesNoConfig()), made(train=["a"], dev=["b"], test=["c"], test_other=["d"]))


@pytest.mark.parametrize("name", ["an4", "fsdd", "yesno"])
def test_our_corpora_keep_the_contract(corpora: Path, name: str) -> None:
    outcomes = run_checks(Subject(plugins.load().get("corpora", name), folder=corpora / name))
    assert len(outcomes) > 5
    assert not [each for each in outcomes if each.status == "failed"]
