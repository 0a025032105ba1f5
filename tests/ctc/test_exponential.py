"""The vectorised elementary functions against NumPy, over their whole range."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dstoolkit.ctc.exponential import exp, largest, log_1_to_3


@numba.njit
def each_exp(values):
    results = np.empty_like(values)
    for k in range(len(values)):
        results[k] = exp(values[k])
    return results


@numba.njit
def each_log(values):
    results = np.empty_like(values)
    for k in range(len(values)):
        results[k] = log_1_to_3(values[k])
    return results


@pytest.mark.parametrize(("dtype", "lowest", "error"), [(np.float32, -87, 1.2e-7), (np.float64, -708, 4e-16)])
def test_exp(dtype, lowest, error):
    values = np.linspace(lowest, 0.5, 100_003)[1:].astype(dtype)
    exact = np.exp(values.astype(np.longdouble))
    assert np.abs(each_exp(values) / exact - 1).max() < error
    assert each_exp(np.array([0], dtype))[0] == 1
    assert (each_exp(np.array([lowest - 1, -1e30, -np.inf], dtype)) == 0).all()


def test_log():
    values = np.linspace(1, 3, 100_003)
    assert np.abs(each_log(values) - np.log(values)).max() < 4e-16
    assert each_log(np.ones(1))[0] == 0


@given(
    st.sampled_from([np.float32, np.float64]).flatmap(
        lambda dtype: arrays.arrays(dtype, st.integers(1, 70), elements=st.floats(width=np.dtype(dtype).itemsize * 8))
    )
)
@settings(max_examples=200, deadline=None)
def test_largest_is_the_maximum_and_nan_where_there_is_one(row):
    np.testing.assert_array_equal(largest(row), row.max())  # NumPy's maximum passes NaN on
