"""Each word and each option of a Kurfile's model changes the network: two that differ in it alone are not alike.

A network is looked at through what it computes, evaluating and training, and through its table; where an option stands
for one of several words, all of them are compared. No option that the package knows is missing here.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import get_args, get_type_hints

import pytest
import torch
from dstoolkit_kur import model
from dstoolkit_kur.kurfile import Kurfile
from dstoolkit_kur.operators import OPERATORS

from dstoolkit.errors import ConfigError, Faults
from dstoolkit.models.layers.description import BESIDE, WORDS

DIM, FRAMES = 6, 24
HEAD = "input: x"


def listed(*layers: str) -> str:
    """``model:`` of these entries after ``HEAD``, whose second and later fields stand on lines of their own."""
    return "model:\n" + "".join(f"  - {each}\n" for each in (HEAD, *layers))


def shown(text: str, write) -> list[object]:
    """All that can be seen of a network, or the error in its place."""
    path = write(text)
    try:
        kurfile = Kurfile.load(path)
        torch.manual_seed(3)
        layers = kurfile.layers()
        dim = 1 if "embedding" in text else model.stated_dim(layers) or DIM
        built = model.build(kurfile, dim, weights=True)
    except (ConfigError, Faults) as error:
        return [str(error).splitlines()[0]]
    frames = torch.randn(2, FRAMES, dim, generator=torch.Generator().manual_seed(1))
    if "embedding" in text:
        frames = (torch.arange(2 * FRAMES).reshape(2, FRAMES, 1) % 3).float()
    seen: list[object] = [[dataclasses.astuple(each) for each in built.rows], model.outputs(layers)]
    for training in (True, False):  # running statistics are those of the training before
        torch.manual_seed(4)
        heard = built.network.train(training)(frames, torch.tensor([FRAMES, FRAMES - 7]))
        seen += [heard.lengths.tolist(), heard.values.tolist()]
    return seen


def each(values: str, *layers: str) -> list[tuple[str, ...]]:
    """The layers with each of the values in the place of ``*``."""
    return [tuple(layer.replace("*", value) for layer in layers) for value in values.split("|")]


FLAT = "parallel: {apply: [flatten, dense: 3]}"  # after planes, since a network ends in values of frames
PLANE = ("expand: -1", "convolution: {kernels: 4, size: [3, 3]}")
ONE, TWO = "dense: 4\n    name: one", "dense: 4\n    name: two\n    inputs: x"
# The option -> networks that differ in it alone.
OPTIONS: dict[tuple[str, str], list[tuple[str, ...]]] = {
    ("input", "name"): each("x|y", "dense: 3\n    inputs: *"),
    ("input", "shape"): [],  # below: it comes first
    ("convolution", "kernels"): each("3|4", "convolution: {kernels: *, size: 3}"),
    ("convolution", "size"): [
        *each("3|5", "convolution: {kernels: 4, size: *}"),
        *each("3, 5|5, 3", "expand: -1", "convolution: {kernels: 4, size: [*]}", FLAT),
    ],
    ("convolution", "strides"): [
        *each("1|2", "convolution: {kernels: 4, size: 3, strides: *}"),
        *each("2|[1, 2]|[2, 1]", "expand: -1", "convolution: {kernels: 4, size: [3, 3], strides: *}", FLAT),
    ],
    ("convolution", "border"): each("valid|same", "convolution: {kernels: 4, size: 3, border: *}"),
    ("convolution", "separable"): each("yes|no", "convolution: {kernels: 4, size: 3, separable: *}"),
    ("convolution", "highway"): each("yes|no", "convolution: {kernels: 6, size: 3, highway: *}"),
    ("convolution", "bias"): each("yes|no", "convolution: {kernels: 4, size: 3, bias: *}"),
    ("recurrent", "size"): each("4|6", "recurrent: {size: *}"),
    ("recurrent", "type"): each("lstm|gru|sru", "recurrent: {size: 4, type: *}"),
    ("recurrent", "sequence"): each("yes|no", "recurrent: {size: 4, sequence: *}"),
    ("recurrent", "bidirectional"): each("yes|no", "recurrent: {size: 4, bidirectional: *}"),
    ("recurrent", "merge"): each("multiply|add|average|concat", "recurrent: {size: 4, bidirectional: yes, merge: *}"),
    ("recurrent", "outer_activation"): each("tanh|relu|sigmoid|none", "recurrent: {size: 4, outer_activation: *}"),
    ("dense", "size"): each("3|4|[4, 3]", "dense: *"),
    ("dense", "flatten"): each("yes|no", "parallel: {apply: [expand: 0, {dense: {size: 3, flatten: *}}]}"),
    ("dense", "highway"): each("yes|no", "dense: {size: 6, highway: *}"),
    ("dense", "bias"): each("yes|no", "dense: {size: 3, bias: *}"),
    ("activation", "type"): each("softmax|relu|tanh|sigmoid|none", "activation: *", "dense: 3"),
    ("activation", "ceiling"): each("null|0.5|1", "activation: {type: relu, ceiling: *}"),
    ("activation", "leak"): each("0|0.3", "activation: {type: relu, leak: *}"),
    ("batch_normalization", "axis"): each("-1|1", *PLANE, "batch_normalization: *", FLAT),
    ("batch_normalization", "momentum"): each("0.9|0.5", "batch_normalization: {momentum: *}"),
    ("dropout", "fraction"): each("0.2|0.7", "dropout: *"),
    ("dropout", "independent"): each("yes|no", "dropout: {fraction: 0.5, independent: *}"),
    ("pool", "size"): each("2|3", "pool: *"),
    ("pool", "strides"): each("2|3", "pool: {size: 3, strides: *}"),
    ("pool", "type"): each("max|average", "pool: {size: 3, type: *}"),
    ("pool", "border"): each("valid|same", "pool: {size: 3, border: *}"),
    ("expand", "dimension"): each("-1|1", "expand: *", PLANE[1], FLAT),
    ("squeeze", "dimension"): each("1|3", "expand: -1", "expand: 1", "squeeze: *", PLANE[1], FLAT),
    ("transpose", "axes"): each("0, 1, 2|0, 2, 1", *PLANE, "transpose: [*]", FLAT),
    ("transpose", "include_batch"): each("yes|no", "transpose: {axes: [0, 1], include_batch: *}"),
    ("merge", "mode"): each("average|multiply|add|concat", ONE, TWO, "merge: *\n    inputs: [one, two]"),
    ("merge", "axis"): each(
        "-1|1",
        PLANE[0],
        f"{PLANE[1]}\n    name: one",
        "activation: tanh\n    name: two",
        "merge: {mode: concat, axis: *}\n    inputs: [one, two]",
        FLAT,
    ),
    ("repeat", "count"): each("2|3", "parallel: {apply: [repeat: *, flatten]}"),
    ("reuse", "target"): each("one|two", "dense: 6\n    name: one", "dense: 6\n    name: two", "reuse: *"),
    ("embedding", "vocab_size"): each("3|4", "squeeze: -1", "embedding: {vocab_size: *, size: 2}"),
    ("embedding", "size"): each("2|4", "squeeze: -1", "embedding: {vocab_size: 3, size: *}"),
    ("parallel", "apply"): each("|, activation: relu", "parallel: {apply: [dense: 3*]}"),
    ("output", "name"): each("one|two", "dense: 3", "output: *"),
}
FIELDS: dict[str, list[tuple[str, ...]]] = {  # beside any word
    "name": each("one|two", "dense: 6\n    name: *", "merge: concat\n    inputs: [x, one]"),
    "tag": each("t|u", "dense: 6\n    tag: t", "dense: 6\n    tag: *", "dense: 3\n    inputs: t"),
    "oldest": each("tag|oldest", "dense: 6\n    *: t", "dense: 6\n    *: t", "dense: 3\n    inputs: t"),
    "inputs": each("|\n    inputs: x", "dense: 6", "dense: 3*"),
    "sink": each("yes|no", "dense: 3\n    name: one\n    sink: *", "dense: 3\n    name: two"),
    "freeze": each("yes|no", "dense: 3\n    freeze: *"),
    "when": each("yes|'{{ 1 > 2 }}'", "dense: 6\n    when: *", "dense: 3"),
}
VARIABLE = "for: {range: 2, with_index: *, iterate: [dense: '{{ 6 + i|default(0) }}']}"
ITEM = "for_each: {items: [5], loop_var: *, iterate: [dense: '{{ size|default(2) }}']}"
OPERATIONS: dict[tuple[str, str], list[tuple[str, ...]]] = {
    ("for", "range"): each("0|1|2|'{{ 1 + 2 }}'", "for: {range: *, iterate: [dense: 6]}"),
    ("for", "with_index"): each("i|j", VARIABLE),
    ("for", "iterate"): each("dense: 6|activation: relu", "for: {range: 2, iterate: [*]}"),
    ("for_each", "items"): each("4|4, 5|5, 4", "for_each: {items: [*], iterate: [dense: '{{ item }}']}"),
    ("for_each", "loop_var"): each("size|other", ITEM),
    ("for_each", "iterate"): each("dense: 6|activation: relu", "for_each: {items: 2, iterate: [*]}"),
    ("assert", ""): each("<|>", "assert: '{{ 1 * 2 }}'", "dense: 3"),
}


def unlike(found: list[list[object]]) -> None:
    """No two are alike, and none is an error unless it is the only one."""
    assert len(found) > 1
    for one, other in itertools.combinations(found, 2):
        assert one != other
    assert sum(len(each) == 1 for each in found) <= 1, found


@pytest.mark.parametrize(("word", "option"), [each for each in OPTIONS if OPTIONS[each]])
def test_an_option_of_a_layer(write, word, option):
    unlike([shown(listed(*layers), write) for layers in OPTIONS[word, option]])


def test_the_shape_of_the_input(write):
    texts = (f"input: {{name: x, shape: [null, {size}]}}" for size in (5, 6))
    unlike([shown(f"model: [{text}, dense: 3]\n", write) for text in texts])


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_beside_a_word(write, field):
    unlike([shown(listed(*layers), write) for layers in FIELDS[field]])


@pytest.mark.parametrize(("word", "option"), OPERATIONS)
def test_an_operator(write, word, option):
    unlike([shown(listed(*layers), write) for layers in OPERATIONS[word, option]])


def test_the_words_without_options(write):
    unlike([shown(listed(f"parallel: {{apply: [expand: 0{more}]}}"), write) for more in ("", ", flatten")])
    unlike([shown(f"model: [dense: 3{more}]\n", write) for more in ("", ", output: y")])


def test_a_template_and_its_arguments(write):
    """Each of these differs from the one before in the template, an argument, or the ``inputs`` of its use."""
    head = "templates:\n  block: [{dense: '{{ size }}', name: d}, {merge: concat, inputs: [d, '{{ inputs }}']}]\n"
    uses = ["dense: 5", "block: {size: 5}", "block: {size: 6}", "block: {size: 6}\n    inputs: one"]
    unlike([shown(head + listed("dense: 4\n    name: one", "dense: 3", use), write) for use in uses])
    other = head.replace("concat", "add").replace("'{{ size }}'", "4")
    unlike([shown(text + listed("dense: 4", "block: {size: 5}"), write) for text in (head, other)])


def test_nothing_the_package_knows_is_missing():
    known = {
        (word, field.name) for word, cls in WORDS.items() for field in dataclasses.fields(cls.Options) if field.init
    }
    assert known == OPTIONS.keys()
    assert set(BESIDE) == FIELDS.keys()
    assert {word for word, _ in OPERATIONS} | {"debug"} == set(OPERATORS)  # debug is seen in the log


def test_all_of_an_options_words_are_compared():
    for (word, option), networks in OPTIONS.items():
        kind = get_type_hints(WORDS[word].Options)[option]
        words = [each for each in get_args(kind) if isinstance(each, str)]
        text = " ".join(layer for layers in networks for layer in layers)
        assert [each for each in words if each not in text] == [], (word, option)
