"""What is dumped is read again as it was, whatever its words look like."""

from __future__ import annotations

import tempfile
from pathlib import Path

from dstoolkit_kur import reading
from dstoolkit_kur.dumping import yaml_text
from hypothesis import given, settings
from hypothesis import strategies as st

LOOKALIKES = st.sampled_from(
    ["yes", "Off", "~", "null", "1_0", "0x1F", "0b1", "010", "1:30", "1e5", ".5", ".inf", "=", "<<"]
)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | LOOKALIKES | WORDS
VALUES = st.recursive(SCALARS, lambda part: st.lists(part, max_size=4) | st.dictionaries(WORDS, part, max_size=4))


@settings(deadline=None)
@given(st.dictionaries(LOOKALIKES | WORDS, VALUES, min_size=1, max_size=5))
def test_any_values_survive_a_dump(values):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "k.yml"
        path.write_bytes(yaml_text(values).encode())
        assert reading.read(path).value == values
