"""Files of Keras 2 and 3, and what is said of those that are none or that hold code."""

import io
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tf_keras

from tfblindspots.errors import InputError
from tfblindspots.models.opening import keras_library, open_model


def _lambda(library: object, path: Path) -> None:
    images = library.Input((4,))  # type: ignore[attr-defined]
    doubled = library.layers.Lambda(lambda x: 2 * x)(images)  # type: ignore[attr-defined]
    library.Model(images, doubled).save(path)  # type: ignore[attr-defined]


@pytest.mark.parametrize("library", [keras, tf_keras])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
def test_code_inside_a_file_is_not_run(library: object, suffix: str, tmp_path: Path) -> None:
    """Keras 2 runs it when it comes in a .h5 file."""
    path = tmp_path / f"code{suffix}"
    _lambda(library, path)
    with pytest.raises(InputError, match=r"^model .*code.* has a Lambda layer, which is Python co"):
        open_model(path)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
def test_keras_2_reads_what_keras_3_cannot(tmp_path: Path) -> None:
    """Keras 3.15 does not know an argument of Keras 2's depthwise convolutions."""
    images = tf_keras.Input((6, 6, 2))
    model = tf_keras.Model(images, tf_keras.layers.DepthwiseConv2D(3)(images))
    model.save(tmp_path / "depthwise.h5")
    opened = open_model(tmp_path / "depthwise.h5")
    assert keras_library(opened) is tf_keras
    photos = np.random.default_rng(0).random((2, 6, 6, 2), np.float32)
    np.testing.assert_array_equal(opened(photos), model(photos))
    assert keras_library("a path") is None


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
def test_what_keras_3_cannot_read_again_is_to_be_saved_in_its_own_format(tmp_path: Path) -> None:
    images = keras.Input((4, 2))
    model = keras.Model(images, keras.layers.Attention()([images, images]))
    model.save(tmp_path / "attention.h5")
    message = r"attention\.h5 cannot be read by Keras \(.*\); save it again as a \.keras file\.$"
    with pytest.raises(InputError, match=message):
        open_model(tmp_path / "attention.h5")
    model.save(tmp_path / "attention.keras")
    assert open_model(tmp_path / "attention.keras").output_shape == (None, 4, 2)


@pytest.mark.parametrize("library", [keras, tf_keras])
def test_weights_alone_are_no_model(library: object, tmp_path: Path) -> None:
    images = library.Input((4,))  # type: ignore[attr-defined]
    model = library.Model(images, library.layers.Dense(2)(images))  # type: ignore[attr-defined]
    model.save_weights(tmp_path / "my.weights.h5")
    with pytest.raises(
        InputError, match=r"^model .*my.weights.h5 holds weights without a model; b"
    ):
        open_model(tmp_path / "my.weights.h5")


def test_rejects_files_that_are_not_what_their_names_say(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputError, match=r"text.h5 is not a .h5 file \(it is no HDF5\); save it"):
        open_model(tmp_path / "text.h5")
    with zipfile.ZipFile(tmp_path / "odd.keras", "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.0.0"}')
    with pytest.raises(InputError, match=r"odd.keras is not a .keras file \(.*config.json.*\); sa"):
        open_model(tmp_path / "odd.keras")
    with zipfile.ZipFile(tmp_path / "odd.keras", "a") as archive:
        archive.writestr("config.json", '{"class_name": "Nothing"}')
        weights = io.BytesIO()
        h5py.File(weights, "w").close()
        archive.writestr("model.weights.h5", weights.getvalue())
    with pytest.raises(InputError, match=r"odd.keras cannot be read by Keras \(.*\)\.$") as caught:
        open_model(tmp_path / "odd.keras")
    assert "\n" not in str(caught.value)
