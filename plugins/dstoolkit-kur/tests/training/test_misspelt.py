"""A word misspelt anywhere in a Kurfile is refused with its file and line, and with the word that was meant."""

from __future__ import annotations

import re

import pytest
from dstoolkit_kur import sections
from dstoolkit_kur.kurfile import Kurfile

from dstoolkit.errors import DstoolkitError

FREE = ("size_of_all", "block")  # names that are the writer's own
VARIABLES = ("seed", "backend")  # what they are misspelt as are variables
TEXT = """\
include:
  - source: part.yml
    method: blend
settings:
  size_of_all: 4
  seed: 3
  backend:
    name: pytorch
    variant: x
    device: cpu
    parallel: 1
templates:
  block:
    - dense:
        size: 6
        flatten: no
        highway: no
        bias: yes
model:
  - input:
      name: utterance
      shape: [null, 161]
  - expand:
      dimension: -1
  - convolution:
      kernels: 4
      size: [3, 3]
      strides: 1
      border: same
      separable: no
      highway: no
      bias: yes
    tag: planes
    oldest: first
  - pool:
      size: [2, 2]
      strides: 2
      type: max
      border: valid
  - parallel:
      apply:
        - flatten
        - dense:
            size: 6
  - activation:
      type: relu
      ceiling: 20
      leak: 0.1
    name: one
    freeze: no
    sink: no
    when: yes
  - batch_normalization:
      axis: -1
      momentum: 0.9
  - dropout:
      fraction: 0.1
      independent: yes
  - recurrent:
      size: 6
      type: gru
      sequence: yes
      bidirectional: yes
      merge: average
      outer_activation: tanh
    name: two
  - merge:
      mode: add
      axis: -1
    inputs: [one, two]
  - for:
      range: 1
      with_index: i
      iterate:
        - block
  - for_each:
      items: [1]
      loop_var: j
      iterate:
        - debug: text
  - assert: yes
  - transpose:
      axes: [0, 1]
      include_batch: no
  - reuse:
      target: two
  - dense: 9
  - activation: softmax
  - output:
      name: asr
loss:
  - name: ctc
    target: asr
    input_length: utterance_length
    output_length: transcript_length
    output: transcript
    relative_to: utterance
    weight: 1
    variant: warp
train:
  data:
    - speech_recognition:
        url: http://127.0.0.1/x.tar
        path: x
        checksum: null
        unpack: yes
        type: spec
        normalization:
          path: norm.json
          center: yes
          scale: yes
          rotate: yes
          depth: 10
        min_duration: 0
        max_duration: 50
        max_frequency: 8000
        vocab: [a, b]
        samples: 10
        fill: zero
        key: text
        bucket: 1
        data_cpus: 1
  provider:
    name: batch_provider
    batch_size: 3
    num_batches: 3
    randomize: yes
    sort_by: duration
    shuffle_after: 1
    reverse: no
    force_batch_size: no
  stop_when:
    epochs: 3
    mode: total
  optimizer:
    name: sgd
    learning_rate: 0.1
    decay: 0
    momentum: 0.9
    nesterov: yes
    clip:
      norm: 1
      abs: 1
  weights:
    initial: a
    must_exist: no
    best: b
    last: c
  checkpoint: {path: c, epochs: 1}
  log:
    path: log
  hooks:
    - plot:
        loss_per_batch: a.png
        loss_per_time: b.png
        throughput_per_time: c.png
    - slack:
        channel: C0NF841BK
        url: http://127.0.0.1/
        user: ada
        icon: owl
        title: one
        token: t
        extra_files: [a]
validate:
  data:
    - speech_recognition:
        path: x
  provider:
    sortagrad: duration
  weights:
    best: v
  hooks:
    - output:
        path: o
        format: json
    - transcript:
        warp: no
test:
  data:
    - speech_recognition:
        path: x
  weights:
    initial: a
  hooks:
    - text
evaluate:
  data:
    - speech_recognition:
        path: x
  destination:
    path: o
    format: json
"""
KEYS = [
    (number, found[2])
    for number, line in enumerate(TEXT.splitlines(), start=1)
    if (found := re.match(r"( *(?:- )?)(\w+)(?::|$)", line)) and found[2] not in (*FREE, *VARIABLES)
]


@pytest.fixture
def check(tmp_path):
    def run(text):
        (tmp_path / "part.yml").write_text("settings: {own: 1}\n")
        (tmp_path / "k.yml").write_text(text)
        sections.check(Kurfile.load(tmp_path / "k.yml"))

    return run


def test_the_words_are_right_as_they_are(check):
    check(TEXT)


@pytest.mark.parametrize(("number", "word"), KEYS)
def test_a_word_misspelt(check, tmp_path, number, word):
    lines = TEXT.splitlines()
    wrong = f"{word[:-1]}x{word[-1]}"
    lines[number - 1] = lines[number - 1].replace(word, wrong, 1)
    with pytest.raises(DstoolkitError) as error:
        check("\n".join(lines))
    told = [each for each in str(error.value).splitlines() if f"k.yml:{number}: " in each]
    assert told, str(error.value)
    assert any(f"did you mean '{word}'?" in each for each in told), told


VALUES = [  # words that stand for something, and their misspellings
    ("method: blend", "blned"),
    ("name: pytorch", "pytroch"),
    ("type: gru", "gur"),
    ("merge: average", "avrage"),
    ("outer_activation: tanh", "tahn"),
    ("border: same", "smae"),
    ("type: max", "mxa"),
    ("type: relu", "rleu"),
    ("mode: add", "ad"),
    ("name: ctc", "ctcc"),
    ("variant: warp", "wrap"),
    ("type: spec", "sepc"),
    ("fill: zero", "zeroo"),
    ("name: batch_provider", "batch_provdier"),
    ("sort_by: duration", "duraton"),
    ("mode: total", "totla"),
    ("name: sgd", "sdg"),
    ("inputs: [one, two]", "[one, tow]"),
    ("relative_to: utterance", "utternace"),
    ("format: json", "jsno"),
]


@pytest.mark.parametrize(("said", "wrong"), VALUES)
def test_a_value_misspelt(check, said, wrong):
    key, _, value = said.partition(": ")
    number = next(at for at, line in enumerate(TEXT.splitlines(), start=1) if line.strip(" -") == said)
    with pytest.raises(DstoolkitError) as error:
        check(TEXT.replace(f"{key}: {value}\n", f"{key}: {wrong}\n", 1))
    told = [each for each in str(error.value).splitlines() if f"k.yml:{number}: " in each]
    meant = value.strip("[]").split(", ")[-1]
    assert told, str(error.value)
    assert any(f"'{meant}'" in each for each in told), told
