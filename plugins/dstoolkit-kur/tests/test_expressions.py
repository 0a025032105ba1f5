"""What expressions give, and what they may not do; each error with its file and line."""

from __future__ import annotations

import pytest
from dstoolkit_kur.expressions import Expressions
from dstoolkit_kur.node import Mark, Node

from dstoolkit.errors import ConfigError

SCOPE = {"cnn": {"kernels": 100, "items": 7}, "a": 1, "b": 2, "name": "x/y.tar"}


def node(text: str) -> Node:
    return Node(text, Mark("k.yml", 3), ("model", 0))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ cnn.kernels }}", 100),
        ("{{ cnn.items }}", 7),
        ("{{ cnn }}", SCOPE["cnn"]),
        ("{{ a }}{{ b }}", 12),
        ("{{ a }}/{{ b }}", "1/2"),
        ("[{{ a }}, {{ b }}]", [1, 2]),
        ("{{ {'x': {'y': a}} }}", {"x": {"y": 1}}),
        ("{{ range(3)|map('string')|list }}", ["0", "1", "2"]),
        ("{{ name|basename|splitext|first }}", "y"),
        ("{{ name|dirname }}", "x"),
        ("{{ cnn|combine({'kernels': 3}) }}", {"kernels": 3, "items": 7}),
        ("{{ a|as_dict('size') }}", {"size": 1}),
        ("{{ [a, b]|join('-') }}", "1-2"),
        ("{{ [{'x': 'p'}, {'x': 'q'}]|join(', ', attribute='x') }}", "p, q"),
        ("{{ cnn.depth|default(5) }}", 5),
        ("{% if a > 1 %}many{% else %}one{% endif %}", "one"),
        ("no {expression}", "no {expression}"),
    ],
)
def test_values(text, value):
    assert Expressions().evaluate(node(text), SCOPE).value == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ cnn.kernal }}", "in '{{ cnn.kernal }}': no 'kernal' there; did you mean 'kernels'?"),
        ("{{ nam }}", "in '{{ nam }}': no variable 'nam'; did you mean 'name'?"),
        ("{{ name.x.y }}", "in '{{ name.x.y }}': 'x' of 'x/y.tar'; expected a mapping"),
        ("{{ a", "'{{ a' is no expression; unexpected end of template"),
        ("{{ a | cnt }}", "in '{{ a | cnt }}': no filter 'cnt'; did you mean 'count'?"),
        ("{{ a is definde }}", "in '{{ a is definde }}': no test 'definde'; did you mean 'defined'?"),
        ("{{ rnage(3) }}", "in '{{ rnage(3) }}': no variable 'rnage'; did you mean 'range'?"),
        ("{% fro x in a %}{% endfor %}", "'{% fro x in a %}{% endfor %}' is no expression; encountered unknown tag"),
        ("{{ a / 0 }}", "'{{ a / 0 }}' fails: division by zero"),
        ("{{ cnn.get }}", "'{{ cnn.get }}' fails: its result is a function"),
    ],
)
def test_mistakes(text, told):
    with pytest.raises(ConfigError) as error:
        Expressions().evaluate(node(text), SCOPE)
    assert str(error.value).startswith(f"k.yml:3: model[0]: {told}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ ''.__class__ }}", "access to attribute '__class__'"),
        ("{{ name.ljust(10) }}", "a call of 'ljust'"),
        ("{{ '%999999999d' % 3 }}", "'%' of text"),
        ("{{ 9 ** 99999 }}", "a power of more than"),
        ("{{ 'x' * 99999999 }}", "'*' that makes more than"),
        ("{{ 99999999 * [1] }}", "'*' that makes more than"),
        ("{{ range(10 ** 30)|list }}", "ranges of more than"),
        ("{% for i in range(999) %}{% for j in range(999) %}x{% endfor %}{% endfor %}", "ranges of more than"),
        ("{% set x = 1 %}", "a block 'assign'"),
        ("{% include 'x' %}", "a block 'include'"),
        ("{{ range(99999)|join('x' * 9999) }}", "'join' that makes more than"),
        ("{% for i in range(99) %}{{ [1] * 9999 }}{% endfor %}", "a result of more than"),
        ("{{ [range(99999), [1] * 9999] }}", "a result of more than"),
    ],
)
def test_what_would_reach_out_or_fill_the_memory_is_refused(text, told):
    with pytest.raises(ConfigError, match=r"^k\.yml:3: model\[0\]: ") as error:
        Expressions().evaluate(node(text), SCOPE)
    assert told in str(error.value)
