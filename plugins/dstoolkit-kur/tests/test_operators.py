"""The model's operators: the layers they come to, and their errors, each with its line."""

from __future__ import annotations

import logging

import pytest
from dstoolkit_kur.kurfile import Kurfile

from dstoolkit.errors import ConfigError


def layers(path):
    return Kurfile.load(path).layers().value


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("- for: {range: 3, iterate: [dense: '{{ index + 1 }}']}", [{"dense": 1}, {"dense": 2}, {"dense": 3}]),
        ("- for: {range: '{{ n / 2 }}', with_index: i, iterate: [dense: '{{ i }}']}", [{"dense": 0}]),
        ("- for: {range: 0, iterate: [flatten]}", []),
        (
            "- for: {range: 2, iterate: [for: {range: 2, with_index: j, iterate: [dense: '{{ index }}{{ j }}']}]}",
            [{"dense": each} for each in ("00", "01", 10, 11)],
        ),
        ("- for_each: {items: [5, 7], iterate: [dense: '{{ item }}']}", [{"dense": 5}, {"dense": 7}]),
        ("- for_each: {items: 2, loop_var: k, iterate: [dense: '{{ k }}']}", [{"dense": 0}, {"dense": 1}]),
        (
            "- for_each: {items: [{a: 1}, {a: 2}], iterate: [dense: {size: '{{ item.a }}'}]}",
            [{"dense": {"size": 1}}, {"dense": {"size": 2}}],
        ),
        ("- dense: 3\n    when: '{{ n > 2 }}'\n  - flatten", [{"flatten": None}]),
        ("- dense: 3\n    when: yes\n    name: d", [{"dense": 3, "name": "d"}]),
        ("- for: {range: 2, iterate: [flatten]}\n    when: no", []),
        ("- assert: '{{ n == 2 }}'\n  - flatten", [{"flatten": None}]),
        (
            "- parallel: {apply: [for: {range: 2, iterate: [dense: '{{ n }}']}, {dense: 9, when: no}]}",
            [{"parallel": {"apply": [{"dense": 2}, {"dense": 2}]}}],
        ),
        ("- '{{ word }}'", [{"batch_normalization": None}]),
    ],
)
def test_layers(write, model, expected):
    path = write(f"settings: {{n: 2, word: batch_normalization}}\nmodel:\n  {model}\n")
    assert layers(path) == expected


TEMPLATES = """\
settings: {n: 2}
templates:
  block:
    - convolution: {kernels: "{{ kernels }}", size: "{{ size|default(n) }}"}
      name: "{{ args.name }}"
    - merge: add
      inputs: ["{{ args.name }}", "{{ inputs }}"]
  twice:
    - block: {kernels: "{{ args }}", name: one}
    - block: {kernels: "{{ args }}", name: two, size: 5}
      inputs: data
model:
  - input: data
  - dense: 4
  - twice: 4
"""


def test_templates_see_their_arguments_and_inputs(write):
    assert layers(write(TEMPLATES)) == [
        {"input": "data"},
        {"dense": 4, "name": "..dense.1"},
        {"convolution": {"kernels": 4, "size": 2}, "name": "one"},
        {"merge": "add", "inputs": ["one", "..dense.1"]},
        {"convolution": {"kernels": 4, "size": 5}, "name": "two"},
        {"merge": "add", "inputs": ["two", "data"]},
    ]


def test_tags_follow_the_latest_layer_and_oldest_the_first(write):
    tagged = "{dense: %d, tag: [t, u], oldest: t}"
    path = write(f"""\
model:
  - input: data
  - for: {{range: 2, iterate: [{tagged % 4}]}}
  - merge: concat
    inputs: ["{{{{ tags.t }}}}", "{{{{ oldest.t }}}}", "{{{{ layers[0] }}}}"]
""")
    found = layers(path)
    assert found[3]["inputs"] == [found[2]["name"], found[1]["name"], "data"]
    assert found[1]["name"] != found[2]["name"]


def test_debug_is_logged_once_and_is_no_layer(write, caplog):
    path = write("model:\n  - flatten\n  - debug: 'so far {{ layers|length }}'\n")
    with caplog.at_level(logging.DEBUG, "dstoolkit.kur"):
        kurfile = Kurfile.load(path)
        assert [next(iter(each)) for each in kurfile.layers().value] == ["flatten"]
        assert kurfile.layers() is kurfile.layers()
    found = [each.getMessage() for each in caplog.records if each.levelno == logging.DEBUG]
    assert found == [f"{path}:3: model[1].debug: so far 1"]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("- dens: 3", "6: model[0].dens: no such layer; did you mean 'dense'?"),
        ("- blokc: 3", "6: model[0].blokc: no such layer; did you mean 'block'?"),
        ("- {dense: 3, flatten: }", "6: model[0]: 'dense' and 'flatten'; expected one, such as 'dense: 29'"),
        ("- {name: x}", "6: model[0]: no layer; expected one, such as 'dense: 29'"),
        ("- [1]", "6: model[0]: [1]; expected a layer, such as 'dense: 29'"),
        ("- for: {range: x, iterate: []}", "6: model[0].for.range: 'x'; expected how often, 0 to 10000"),
        ("- for: {range: 2.5, iterate: []}", "6: model[0].for.range: 2.5; expected how often"),
        ("- for: {rang: 2, iterate: []}", "6: model[0].for.rang: no such option; did you mean 'range'?"),
        ("- for: {range: 2}", "6: model[0].for: no 'iterate'; expected range and iterate"),
        ("- for: 3", "6: model[0].for: 3; expected range and iterate"),
        (
            "- for: {range: 2, with_index: 'a b', iterate: []}",
            "6: model[0].for.with_index: 'a b'; expected the name of",
        ),
        ("- for: {range: 2, iterate: flatten}", "6: model[0].for.iterate: 'flatten'; expected a list of layers"),
        ("- for_each: {items: x, iterate: []}", "6: model[0].for_each.items: 'x'; expected a list, or a number"),
        ("- for: {range: 2, iterate: []}\n    name: x", "7: model[0].name: beside 'for', which is no layer"),
        ("- assert: '{{ 1 > 2 }}'", "6: model[0].assert: '{{ 1 > 2 }}' is False; expected it to be true"),
        ("- dense: '{{ tags.x }}'", "6: model[0].dense: in '{{ tags.x }}': no 'x' there; it has no options"),
        ("- block: 3", "3: templates.block[0].dense: in '{{ size }}': no variable 'size'"),
        (
            "- for: {range: 9999, iterate: [for: {range: 9999, iterate: []}]}",
            "6: model[0].for.iterate[0].for: more than",
        ),
        ("- endless: 3", "4: templates.endless: operators more than 50 deep; expected templates that end"),
    ],
)
def test_refused_with_its_line(write, model, told):
    head = "settings: {n: 1}\ntemplates:\n  block: [dense: '{{ size }}']\n  endless: [endless: '{{ args }}']\nmodel:"
    path = write(f"{head}\n  {model}\n")
    with pytest.raises(ConfigError) as error:
        layers(path)
    assert str(error.value).startswith(f"{path}:{told}")


def test_a_template_says_where_it_is_used(write):
    path = write("templates:\n  block: [dense: '{{ size }}']\nmodel:\n  - flatten\n  - block: {sise: 3}\n")
    with pytest.raises(ConfigError) as error:
        layers(path)
    assert str(error.value).endswith(f"did you mean 'sise'?; the template is used at {path}:5: model[1]")


def test_a_template_that_is_not_used_is_checked_too(write):
    inner = "[for: {range: 2, iterate: [{parallel: {apply: [dens: 3]}}]}]"
    path = write(f"templates:\n  other: [flatten]\n  block: {inner}\nmodel: [flatten]\n")
    with pytest.raises(ConfigError) as error:
        layers(path)
    place = "templates.block[0].for.iterate[0].parallel.apply[0].dens"
    assert str(error.value) == f"{path}:3: {place}: no such layer; did you mean 'dense'?"


def test_a_template_may_not_take_a_layers_name(write):
    path = write("templates:\n  dense: [flatten]\nmodel: [flatten]\n")
    with pytest.raises(ConfigError, match=r"k.yml:2: templates.dense: a template called 'dense'"):
        layers(path)
