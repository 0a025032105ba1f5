"""Which test shows what an option does: each that the package knows has one, and the test is there.

Those of layers and operators are compared option by option in ``test_model_effects.py``, those of optimizers and
weights in ``training/test_section_effects.py``.
"""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest
from dstoolkit_kur import hooks, losses, options, provider, sections, settings, stopping, weights

HERE = Path(__file__).parent
MESSAGES, FILES = "training/test_slack.py::test_messages", "training/test_slack.py::test_extra_files_go_out_after_each"
PLOTS, ROWS = "training/test_observing.py::test_plots_are_images", "training/test_sections.py::test_output_writes"
HEARD, COMES = "training/test_provider.py::test_what_is_tested", "training/test_provider.py::test_what_a_provider_comes"
TIMES, WRITTEN = "training/test_ending.py::test_each_call_has", "training/test_ending.py::test_checkpoints_are_written"
DURATIONS = "supplier/test_options.py::test_durations_are_limits"
SHOWN = {
    "data": {
        "url": "training/test_fetching.py::test_data_are_fetched",
        "path": "supplier/test_package.py::test_fetched_once_into_path",
        "checksum": "training/test_fetching.py::test_another_checksum_is_refused",
        "unpack": "supplier/test_package.py::test_no_unpacking_is_refused",
        "type": "supplier/test_features.py::test_mfcc",
        "normalization": "supplier/test_features.py::test_saved_to_the_file_and_taken_from_it",
        "min_duration": DURATIONS,
        "max_duration": DURATIONS,
        "max_frequency": "supplier/test_features.py::test_spectrogram",
        "vocab": "supplier/test_supplier.py::test_vocabulary_listed",
        "samples": "supplier/test_options.py::test_samples_are_a_stretch",
        "fill": "test_model.py::test_what_batches_are_padded_with_is_hidden",  # which is why it has no effect
        "key": "supplier/test_supplier.py::test_the_key_of_the_transcripts",
        "bucket": "supplier/test_supplier.py::test_bucket_is_handed_on",
        "data_cpus": "supplier/test_supplier.py::test_data_cpus_are_the_processes",
    },
    "normalization": {
        "path": "supplier/test_features.py::test_saved_to_the_file_and_taken_from_it",
        "center": "supplier/test_features.py::test_not_centred",
        "scale": "supplier/test_features.py::test_not_scaled",
        "rotate": "supplier/test_features.py::test_not_rotated",
        "depth": "supplier/test_features.py::test_depth",
    },
    "provider": {
        "name": "training/test_misspelt.py::test_a_value_misspelt",  # there is one
        "batch_size": "training/test_provider.py::test_batch_size_is_that_of_decoding",
        "num_batches": HEARD,
        "randomize": COMES,
        "sortagrad": HEARD,
        "sort_by": HEARD,
        "shuffle_after": "training/test_provider.py::test_what_is_validated",
        "reverse": HEARD,
        "force_batch_size": HEARD,
    },
    "transcript": {"warp": "training/test_misspelt.py::test_the_words_are_right"},  # known, and without effect
    "text": {},
    "output": {"path": ROWS, "format": ROWS},
    "plot": {"loss_per_batch": PLOTS, "loss_per_time": PLOTS, "throughput_per_time": PLOTS},
    "slack": {
        "channel": MESSAGES,
        "url": MESSAGES,
        "icon": MESSAGES,
        "title": MESSAGES,
        "user": "training/test_slack.py::test_user",
        "token": "training/test_slack.py::test_with_a_token_predictions_bring_their_audio",
        "extra_files": FILES,
    },
    "stop_when": {
        "epochs": "training/test_ending.py::test_whichever_of_epochs_and_time",
        "elapsed": TIMES,
        "mode": "training/test_ending.py::test_total_time",
    },
    "elapsed": {
        **dict.fromkeys(("minutes", "hours", "clock"), TIMES),
        "days": "training/test_sections.py::test_lengths",
    },
    "checkpoint": {
        **dict.fromkeys(("path", "epochs", "batches", "samples", "minutes"), WRITTEN),
        "validation": "training/test_ending.py::test_a_validation_at_a_checkpoint",
    },
    "settings": {
        "seed": "training/test_section_effects.py::test_the_seed",
        "backend": "training/test_section_effects.py::test_the_device",
    },
    "backend": {
        "device": "training/test_section_effects.py::test_the_device",
        "parallel": "training/test_processes.py::test_what_to_run_for_several_devices",
        **dict.fromkeys(("name", *settings.NOTED), "test_kurfile.py::test_backend"),
    },
    "loss": {
        "target": "training/test_losses.py::test_two_losses_are_trained",
        "relative_to": "training/test_losses.py::test_relative_to_a_layer",
        "weight": "training/test_losses.py::test_weights_are_the_encoders",
        "variant": "training/test_losses.py::test_variants",
        # of which there is one value
        **dict.fromkeys(
            ("name", "input_length", "output_length", "output"), "training/test_sections.py::test_refused_e"
        ),
    },
    "log": {
        "name": "training/test_sections.py::test_logs",
        "path": "training/test_binary_log.py::test_the_command_logs_each_batch",
        "keep_batch": "training/test_binary_log.py::test_the_command_logs_each_batch",
        "rate": "training/test_binary_log.py::test_a_rate_writes_meanwhile",
    },
    "include": {
        "source": "test_includes.py::test_patterns_and_relative_paths",
        "method": "test_includes.py::test_methods",
    },
}


def fields(kind: type) -> set[str]:
    return {each.name for each in dataclasses.fields(kind) if each.init}


KNOWN = {
    "data": fields(options.SpeechRecognition),
    "normalization": fields(options.Normal),
    "provider": fields(provider.Provider),
    **{name: fields(kind.options) for name, kind in hooks.KINDS.items()},
    "stop_when": set(stopping.OPTIONS),
    "elapsed": fields(stopping.Elapsed),
    "checkpoint": fields(weights.Checkpoint),
    "settings": {"seed", "backend"},
    "backend": {*settings.OPTIONS, *settings.NOTED},
    "loss": {*losses.OPTIONS},
    "log": {*sections.LOG},
    "include": {"source", "method"},
}


@pytest.mark.parametrize("where", KNOWN)
def test_no_option_is_missing_and_none_is_unknown(where):
    assert SHOWN.keys() == KNOWN.keys()
    assert SHOWN[where].keys() == KNOWN[where]


@pytest.mark.parametrize("test", sorted({each for tests in SHOWN.values() for each in tests.values()}))
def test_the_test_is_there(test):
    """By its name, or how that begins."""
    file, _, name = test.partition("::")
    tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
    found = [each.name for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith(name)]
    assert len(found) == 1
