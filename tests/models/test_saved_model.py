"""Exports, used as a stranger would: by TensorFlow alone."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from tfblindspots.artifacts import build_manifest, read_manifest
from tfblindspots.errors import InputError
from tfblindspots.models import ASSETS, export_saved_model, get_definition, load_classifier

_MANIFEST = build_manifest("saved_model", flags={}, seed=0, inputs={}, seconds=0.0)

# Nothing of this package, nor Keras's own loader: only what a reader of the manual would write.
_STRANGER = """
import sys
import numpy as np
import tensorflow as tf

loaded = tf.saved_model.load("model")
serve, activations = loaded.signatures["serving_default"], loaded.signatures["activations"]
images = np.load("images.npy")
results = {}
for count in (1, 7):
    batch = tf.constant(images[:count])
    results |= {f"{name}_{count}": value for name, value in serve(images=batch).items()}
    with tf.GradientTape() as tape:
        tape.watch(batch)
        loss = tf.reduce_sum(tf.reduce_logsumexp(serve(images=batch)["logits"], axis=1))
    results[f"gradient_{count}"] = tape.gradient(loss, batch)
layers = activations(images=tf.constant(images))
results |= {f"layer_{name}": value for name, value in layers.items()}
np.savez("results.npz", **{name: value.numpy() for name, value in results.items()})
assert not [name for name in sys.modules if name.startswith("tfblindspots")]
"""


def test_a_stranger_can_use_and_differentiate_an_export(tmp_path: Path) -> None:
    model = get_definition("conv").build((8, 8, 1), 10, 0)
    export_saved_model(model, tmp_path / "model", _MANIFEST)
    images = np.random.default_rng(0).random((7, 8, 8, 1), np.float32)
    np.save(tmp_path / "images.npy", images)
    subprocess.run([sys.executable, "-c", _STRANGER], cwd=tmp_path, check=True, timeout=120)
    results = np.load(tmp_path / "results.npz")
    logits = model(images, training=False).numpy()
    for count in (1, 7):
        np.testing.assert_allclose(results[f"logits_{count}"], logits[:count], atol=1e-6)
        np.testing.assert_allclose(
            results[f"probabilities_{count}"],
            scipy.special.softmax(logits[:count], axis=1),
            atol=1e-6,
        )
        assert results[f"classes_{count}"].dtype == np.int64
        np.testing.assert_array_equal(results[f"classes_{count}"], logits[:count].argmax(axis=1))
        batch = tf.constant(images[:count])
        with tf.GradientTape() as tape:
            tape.watch(batch)
            loss = tf.reduce_sum(tf.reduce_logsumexp(model(batch, training=False), axis=1))
        np.testing.assert_allclose(
            results[f"gradient_{count}"], tape.gradient(loss, batch), atol=1e-6
        )
    names = [name for name in results.files if name.startswith("layer_")]
    assert sorted(names) == sorted(f"layer_{layer.name}" for layer in model.layers[1:])
    values = tf.constant(images)
    for layer in model.layers[1:]:
        values = layer(values, training=False) if layer.name == "dropout" else layer(values)
        np.testing.assert_allclose(results[f"layer_{layer.name}"], values, atol=1e-6)


@pytest.mark.parametrize("name", ["fc10-1", "fc12-9-10", "ae20-10"])
def test_both_formats_hold_the_same_model(name: str, tmp_path: Path) -> None:
    model = get_definition(name).build((8, 8, 1), 10, 1)
    model.compile("adam", "mse")  # a trainer's business: its state must not be exported
    export_saved_model(model, tmp_path / name, _MANIFEST)
    assert sorted(entry.name for entry in (tmp_path / name / ASSETS).iterdir()) == [
        "manifest.json",
        "model.keras",
    ]
    assert read_manifest(tmp_path / name / ASSETS, "saved_model") == _MANIFEST
    images = np.random.default_rng(0).random((3, 8, 8, 1), np.float32)
    restored = keras.models.load_model(tmp_path / name / ASSETS / "model.keras")
    assert not restored.compiled
    assert restored.name == name
    np.testing.assert_array_equal(restored(images), model(images))
    classifier = load_classifier(tmp_path / name)
    np.testing.assert_allclose(classifier.logits(tf.constant(images)), model(images), atol=1e-6)


def test_probabilities_are_exported_as_logits_of_the_same_softmax(tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((2, 2, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(
                3, "softmax", kernel_initializer=keras.initializers.RandomNormal(seed=0)
            ),
        ]
    )
    export_saved_model(model, tmp_path / "model", _MANIFEST)
    images = np.random.default_rng(0).random((4, 2, 2, 1), np.float32)
    served = tf.saved_model.load(tmp_path / "model").signatures["serving_default"](
        images=tf.constant(images)
    )
    np.testing.assert_allclose(served["probabilities"], model(images), atol=1e-6)
    np.testing.assert_allclose(served["logits"], np.log(model(images)), atol=1e-5)


def test_the_largest_network_takes_three_megabytes(tmp_path: Path) -> None:
    # Seven networks must fit in 12 MB, each in both formats.
    model = get_definition("conv").build((28, 28, 1), 10, 0)
    export_saved_model(model, tmp_path / "conv", _MANIFEST)
    size = sum(entry.stat().st_size for entry in tmp_path.rglob("*") if entry.is_file())
    assert size < 3.4e6


def test_an_export_replaces_an_export(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((3, 8, 8, 1), np.float32)
    for seed in (0, 1):
        model = get_definition("fc10-1").build((8, 8, 1), 10, seed)
        export_saved_model(model, tmp_path / "model", _MANIFEST)
    logits = load_classifier(tmp_path / "model").logits(tf.constant(images))
    np.testing.assert_allclose(logits, model(images), atol=1e-6)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_an_empty_directory_is_taken(tmp_path: Path) -> None:
    export_saved_model(get_definition("fc10-1").build((8, 8, 1), 10, 0), tmp_path, _MANIFEST)
    assert (tmp_path / "saved_model.pb").is_file()


@pytest.mark.parametrize("other", ["notes.txt", "saved_model.pb", f"{ASSETS}/manifest.json"])
def test_other_files_are_never_replaced(other: str, tmp_path: Path) -> None:
    path = tmp_path / "model" / other
    path.parent.mkdir(parents=True)
    path.write_text('{"kind": "evaluation"}')
    model = get_definition("fc10-1").build((8, 8, 1), 10, 0)
    message = "/model exists and is not a SavedModel of this package; name a new directory"
    with pytest.raises(InputError, match=message):
        export_saved_model(model, tmp_path / "model", _MANIFEST)
    assert [entry for entry in (tmp_path / "model").rglob("*") if entry.is_file()] == [path]


def test_a_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("mine")
    model = get_definition("fc10-1").build((8, 8, 1), 10, 0)
    with pytest.raises(InputError, match="/model exists and is not a SavedModel"):
        export_saved_model(model, tmp_path / "model", _MANIFEST)


def test_a_failed_export_leaves_nothing(tmp_path: Path) -> None:
    model = get_definition("fc10-1").build((8, 8, 1), 10, 0)
    with pytest.raises(TypeError):
        export_saved_model(model, tmp_path / "model", {"kind": object()})
    assert not any(tmp_path.iterdir())


def test_a_diverged_model_is_not_exported(tmp_path: Path) -> None:
    model = get_definition("fc10-1").build((8, 8, 1), 10, 0)
    model.set_weights([weight * np.nan for weight in model.get_weights()])
    with pytest.raises(InputError, match=r"^model fc10-1 returns NaN"):
        export_saved_model(model, tmp_path / "model", _MANIFEST)
    assert not any(tmp_path.iterdir())
