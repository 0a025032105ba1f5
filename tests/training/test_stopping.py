"""Early stopping against the sequence of all validations."""

from __future__ import annotations

import io

import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dstoolkit.training.stopping import Stopping

NUMBERS = st.sampled_from([0.0, 1.0, 2.0, 3.0, float("inf")])
VALIDATIONS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20)


def stopped_at(stopping: Stopping, validations: list[tuple[float, float]]) -> int | None:
    return next((at for at, each in enumerate(validations) if stopping.update(*each)), None)


@hypothesis_settings(deadline=None)
@given(VALIDATIONS, st.integers(1, 5))
def test_it_stops_when_the_first_best_is_so_many_validations_old(validations, patience):
    expected = None
    for at in range(len(validations)):
        seen = validations[: at + 1]
        first_best = seen.index(min(seen))
        nothing = min(seen) == (float("inf"), float("inf"))  # no validation was better than none at all
        if (at + 1 if nothing else at - first_best) >= patience:
            expected = at
            break
    assert stopped_at(Stopping(patience), validations) == expected


@hypothesis_settings(deadline=None)
@given(VALIDATIONS)
def test_a_patience_of_0_never_stops(validations):
    assert stopped_at(Stopping(0), validations) is None


@hypothesis_settings(deadline=None)
@given(VALIDATIONS, VALIDATIONS, st.integers(0, 5))
def test_going_on_from_a_checkpoint_changes_nothing(before, after, patience):
    whole, resumed = Stopping(patience), Stopping(patience)
    for each in before:
        whole.update(*each)
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert [resumed.update(*each) for each in after] == [whole.update(*each) for each in after]


def test_the_loss_counts_where_the_wer_is_the_same_and_no_number_is_no_better():
    stopping = Stopping(2)
    assert not stopping.update(0.0, 1.0)
    assert not stopping.update(0.0, 0.9)
    assert not stopping.update(0.0, float("nan"))
    assert stopping.update(float("nan"), 0.1)
    assert stopping.state_dict() == {"wer": 0.0, "loss": 0.9, "waited": 2}
