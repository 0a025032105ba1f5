"""One file read: values, lines through anchors, and what is refused, each with its line."""

from __future__ import annotations

import pytest
from dstoolkit_kur import reading

from dstoolkit.errors import ConfigError

TEXT = """\
data: &data
  path: a
  rate: 2e-4
  sure: yes
  word: "yes"
train:
  <<: *data
  path: b
test: *data
"""


def test_values_and_lines(tmp_path):
    (tmp_path / "k.yml").write_text(TEXT)
    tree = reading.read(tmp_path / "k.yml").moved(())
    shared = {"path": "a", "rate": 2e-4, "sure": True, "word": "yes"}
    assert tree.value == {"data": shared, "train": {**shared, "path": "b"}, "test": shared}
    assert tree.where("train", "rate") == f"{tmp_path}/k.yml:3: train.rate"
    assert tree.where("train", "path") == f"{tmp_path}/k.yml:8: train.path"
    assert tree.where("test") == f"{tmp_path}/k.yml:9: test"
    assert tree.where("test", "pth") == f"{tmp_path}/k.yml:9: test.pth"


# each list holds the one before ten times
BOMB = b"".join(b"%c: &%c [%s]\n" % (at, at, b", ".join([b"*%c" % (at - 1)] * 10)) for at in b"bcdefghi")


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("k.yml", b"a: 1\nb: 2\na: 3\n", "k.yml:3: 'a' a second time; the first is on line 1"),
        ("k.yml", b"a: &a [1, 1]\n" + BOMB, "k.yml: more than 1000000 values"),
        ("k.yml", b"a: " + b"[" * 200 + b"]" * 200, "k.yml: more than 1000000 values, or more than 100 deep"),
        ("k.yml", b"", "k.yml: an empty file; expected sections"),
        ("k.yml", b"- 1\n", "k.yml:1: a list; expected sections"),
        ("k.yml", b"a: 1\nb: \xff\n", "k.yml:2: not UTF-8 text"),
        ("k.yml", b"a:\n\tb: 1\n", "k.yml:2: a tab where YAML wants spaces"),
        ("k.yml", b"a: &x 1\nb: *y\n", "k.yml:2: no anchor 'y' above"),
        ("k.yml", b"a: &x [*x]\n", "k.yml:1: the anchor 'x' within itself"),
        ("k.yml", b"a: !!python/object:os.system x\n", "k.yml:1: the tag"),
        ("k.json", b'{"a": 1,\n"b": }', "k.json:2: not JSON"),
    ],
)
def test_refused_with_its_line(tmp_path, name, data, told):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError) as error:
        reading.read(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path}/{told}")
