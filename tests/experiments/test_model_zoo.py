"""The index of the models that are shipped, and of others."""

import contextlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfblindspots.artifacts import build_manifest, read_json, write_json
from tfblindspots.data import load_dataset
from tfblindspots.errors import InputError
from tfblindspots.experiments import TrainingConfig, index_models, model_zoo, train_network
from tfblindspots.models import export_saved_model, get_definition

_SHIPPED = Path(__file__).parents[2] / "saved_models"


def test_the_shipped_index_is_what_the_command_writes(tmp_path: Path) -> None:
    """Nothing is attacked: the measurements are there, of these very weights."""
    shutil.copytree(_SHIPPED, tmp_path / "zoo")
    (tmp_path / "zoo" / "README.md").unlink()
    entries = index_models(tmp_path / "zoo", data_dir=str(tmp_path / "no data"))
    assert len(entries) >= 14
    written = (tmp_path / "zoo" / "README.md").read_text(encoding="utf-8")
    assert written == (_SHIPPED / "README.md").read_text(encoding="utf-8")


def test_the_shipped_indexs_example_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (_SHIPPED / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(_SHIPPED.parent)
    exec(code, {})
    assert capsys.readouterr().out == "(2, 10) (2, 10) (2,)\n"


def test_a_new_model_is_measured_and_a_retrained_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, test = (load_dataset("digits", f"{split}[:60]") for split in ("train", "test"))
    path = tmp_path / "a" / "net"
    train_network(TrainingConfig("fc10-1e-2", max_iterations=5), train, test, path)
    (entry,) = index_models(tmp_path)
    stored = read_json(path / "assets.extra" / "minimum_distortion.json")
    assert stored == entry["minimum_distortion"]
    # All of the split that the model was tested on.
    assert stored["inputs"]["dataset"]["fingerprint"] == test.fingerprint
    errors = entry["manifest"]["test_error"]["errors"]
    for target in ("untargeted", "random"):
        assert stored["targets"][target]["count"] == 60
        assert stored["targets"][target]["attacked"] == 60 - errors
        assert stored["targets"][target]["success_rate"] == 1
    untargeted, random = (stored["targets"][t]["mean_distortion"] for t in ("untargeted", "random"))
    assert 0 < untargeted <= random
    # Of these weights: taken as it is; of others: measured anew.
    anew = {**stored, "seconds": -1.0}
    monkeypatch.setattr(model_zoo, "_measure", lambda *_, **__: anew)
    assert index_models(tmp_path)[0]["minimum_distortion"] == stored
    other = {**stored["inputs"]["model"], "fingerprint": "0" * 64}
    stale = {**stored, "inputs": {**stored["inputs"], "model": other}}
    write_json(path / "assets.extra" / "minimum_distortion.json", stale)
    assert index_models(tmp_path)[0]["minimum_distortion"] == anew
    assert read_json(path / "assets.extra" / "minimum_distortion.json") == anew


def test_a_model_of_unknown_data_is_listed(tmp_path: Path) -> None:
    manifest = build_manifest("saved_model", flags={}, seed=0, inputs={}, seconds=0.0)
    model = get_definition("fc3-2").build((4, 4, 1), 2, 0)
    export_saved_model(model, tmp_path / "<b>|`net`", manifest)
    (entry,) = index_models(tmp_path)
    assert entry["minimum_distortion"] is None
    index = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert r"| &lt;b&gt;\|\`net\` | – | – | – | – | – | 59 |" in index
    assert f"`{entry['fingerprint']}`" in index and "<b>" not in index


def test_a_folder_without_models(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no SavedModel of this package; expected some"):
        index_models(tmp_path)


# Only what a reader of the index would write.
_STRANGER = """
import json
import sys
from pathlib import Path
import numpy as np
import tensorflow as tf

sets = {"digits": dict(np.load("digits.npz"))}
if sys.argv[2:]:
    import tensorflow_datasets as tfds
    for split in ("train", "test"):
        data = tfds.load("mnist", split=split, data_dir=sys.argv[2], batch_size=-1)
        sets.setdefault("mnist", {})[f"x_{split}"] = data["image"].numpy() / np.float32(255)
        sets["mnist"][f"y_{split}"] = data["label"].numpy()
found = {}
for path in sorted(Path(sys.argv[1]).glob("*/*/saved_model.pb")):
    manifest = json.loads((path.parent / "assets.extra" / "manifest.json").read_text())
    data = sets.get(manifest["flags"]["dataset"])
    if data is None:
        continue
    serve = tf.saved_model.load(str(path.parent)).signatures["serving_default"]
    errors = {}
    # Those of the benchmark say nothing of their training images.
    for split in ("train", "test") if "train_error" in manifest else ("test",):
        images, labels = data[f"x_{split}"], data[f"y_{split}"]
        parts = [
            serve(images=tf.constant(images[first : first + 2000]))["classes"].numpy()
            for first in range(0, len(images), 2000)
        ]
        errors[split] = int((np.concatenate(parts) != labels).sum())
    found["/".join(path.parts[-3:-1])] = errors
assert not [name for name in sys.modules if name.startswith("tfblindspots")]
Path("found.json").write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def strangers_errors(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict:
    """Numbers of errors by model and split, counted where this package is not imported."""
    directory = tmp_path_factory.mktemp("stranger")
    digits = {split: load_dataset("digits", split) for split in ("train", "test")}
    np.savez(
        directory / "digits.npz",
        **{f"x_{split}": data.images for split, data in digits.items()},
        **{f"y_{split}": data.labels for split, data in digits.items()},
    )
    arguments = [str(_SHIPPED)]
    with contextlib.suppress(pytest.skip.Exception):
        arguments.append(request.getfixturevalue("mnist_data_dir"))
    subprocess.run(
        [sys.executable, "-c", _STRANGER, *arguments],
        cwd=directory,
        check=True,
        timeout=300,
        capture_output=True,
    )
    return json.loads((directory / "found.json").read_text())


def _manifests(folder: str) -> dict[str, dict[str, Any]]:
    paths = (_SHIPPED / folder).glob("*/assets.extra/manifest.json")
    return {f"{folder}/{path.parts[-3]}": json.loads(path.read_text()) for path in paths}


@pytest.mark.parametrize("folder", ["digits", "mnist"])
def test_the_manifests_errors_come_out(
    folder: str, strangers_errors: dict[str, dict[str, int]]
) -> None:
    manifests = _manifests(folder)
    assert len(manifests) == 6
    if not manifests.keys() & strangers_errors.keys():
        pytest.skip("MNIST is not here")
    for name, manifest in manifests.items():
        for split in ("train", "test"):
            assert strangers_errors[name][split] == manifest[f"{split}_error"]["errors"], name


def test_the_benchmarks_errors_come_out(strangers_errors: dict[str, dict[str, int]]) -> None:
    for name, manifest in _manifests("benchmark").items():
        if name not in strangers_errors:
            pytest.skip("MNIST is not here")
        assert strangers_errors[name]["test"] == round(10_000 * manifest["errors"]["test_error"])
