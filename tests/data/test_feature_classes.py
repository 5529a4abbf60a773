"""Features files that make TFDS import a module, by every spelling that it accepts."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfblindspots.data.feature_classes import check_feature_classes
from tfblindspots.errors import InputError

_EVIL = "evil_features.Label"
_ROOM = "tensorflow_datasets.core.features"
_DICT = f"{_ROOM}.features_dict.FeaturesDict"
_SEQUENCE = f"{_ROOM}.sequence_feature.Sequence"
_LEAF = {"python_class_name": _EVIL, "text": {}}
_INNER = {"image": _LEAF}
_OLD = {"type": _EVIL, "content": {}}


def _save(directory: Path, features: Any) -> None:
    (directory / "features.json").write_text(json.dumps(features))


@pytest.mark.parametrize(
    "features",
    [
        {"pythonClassName": _EVIL, "text": {}},
        _LEAF,
        {"pythonClassName": _DICT, "featuresDict": {"features": _INNER}},
        {"python_class_name": _DICT, "features_dict": {"features": _INNER}},
        {"pythonClassName": _SEQUENCE, "sequence": {"feature": _LEAF}},
        {"pythonClassName": _DICT, "jsonFeature": {"json": json.dumps(_INNER)}},
        {"pythonClassName": _DICT, "json_feature": {"json": "\n" + json.dumps({"image": _OLD})}},
        _OLD,
        {"type": _DICT, "content": {"image": _OLD}},
        {"type": _DICT, "content": {"type": _OLD}},
        {"type": _DICT, "content": {"image": _LEAF}},
        {
            "type": _DICT,
            "content": json.dumps({"features": _INNER}),
            "proto_cls": "tensorflow_datasets.FeaturesDict",
        },
    ],
)
def test_no_module_is_imported_by_any_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: Any
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "evil_features", raising=False)
    marker = tmp_path / "marker"
    (tmp_path / "evil_features.py").write_text(f"open({str(marker)!r}, 'w').close()")
    _save(tmp_path, features)
    with pytest.raises(InputError, match=rf"of the class {re.escape(_EVIL)}, whose code would be"):
        check_feature_classes(tmp_path)
    assert not marker.exists()
    with pytest.raises(ValueError, match="Unrecognized FeatureConnector"):
        tfds.features.FeatureConnector.from_config(tmp_path)  # It is no empty threat.
    assert marker.exists()


@pytest.mark.parametrize("name", [f"{_ROOM}.text_feature_test.X", f"{_ROOM}.X", "Text", "x.y"])
def test_other_names_are_refused_even_in_the_package_of_tfds(tmp_path: Path, name: str) -> None:
    _save(tmp_path, {"pythonClassName": name, "text": {}})
    with pytest.raises(InputError, match=f"a feature of the class {name}, whose code"):
        check_feature_classes(tmp_path)


def test_no_other_file_is_read_for_the_names_of_classes(tmp_path: Path) -> None:
    label = f"{_ROOM}.class_label_feature.ClassLabel"
    _save(tmp_path, {"type": label, "content": {"names_file": "/etc/hostname"}})
    with pytest.raises(InputError, match="has a feature that reads another file; expected feat"):
        check_feature_classes(tmp_path)


def test_rejects_a_file_that_exhausts_the_stack(tmp_path: Path) -> None:
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    _save(tmp_path, {"pythonClassName": _DICT, "jsonFeature": {"json": deep}})
    with pytest.raises(InputError, match="is nested too deeply; expected what TensorFlow Data"):
        check_feature_classes(tmp_path)


def test_all_that_tfds_writes_passes_now_and_as_it_once_did(tmp_path: Path) -> None:
    check_feature_classes(tmp_path)  # Nothing is there.
    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(2, 2, 1)),
            "label": tfds.features.ClassLabel(num_classes=2),
            "labels": tfds.features.Sequence(tfds.features.Scalar(np.int64)),
            "labeled": tfds.features.LabeledImage(labels=2, shape=(2, 2, 1)),
            "boxes": tfds.features.Sequence({"box": tfds.features.BBoxFeature()}),
            "type": tfds.features.Text(doc='{"type": what a description may say'),
            "numbers": tfds.features.Tensor(shape=(3,), dtype=np.float32),
            "film": tfds.features.Video(shape=(None, 2, 2, 1)),
            "sound": tfds.features.Audio(),
            "nested": tfds.features.Dataset({"a": tfds.features.Translation(["en", "de"])}),
        }
    )
    features.save_config(tmp_path)
    check_feature_classes(tmp_path)
    _save(tmp_path, features.to_json())
    check_feature_classes(tmp_path)
    assert tfds.features.FeatureConnector.from_config(tmp_path).keys() == features.keys()
