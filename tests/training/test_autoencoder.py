"""The autoencoder's code: unsupervised, sparse, frozen, and good for classification."""

import numpy as np
import pytest

from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.models import get_definition
from tfblindspots.training.autoencoder import fit_autoencoder, train_encoder


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load_dataset("digits", "train")


def _pixels(dataset: ImageDataset) -> np.ndarray:
    return dataset.images.reshape(len(dataset.images), -1)


@pytest.fixture(scope="module")
def encoder(digits: ImageDataset) -> list[np.ndarray]:
    return train_encoder(_pixels(digits), 50, seed=3)


def test_the_code_is_the_encoder_and_the_softmax_leaves_it_frozen(
    digits: ImageDataset, encoder: list[np.ndarray]
):
    definition = get_definition("ae50-10")
    model = definition.build((8, 8, 1), 10, 3)
    result = fit_autoencoder(
        model,
        digits.images,
        digits.labels[::-1].copy(),  # the code has no business with labels
        definition.weight_decays,
        seed=3,
        max_iterations=30,
    )
    assert result.model is model
    for weight, expected in zip(model.get_layer("code").get_weights(), encoder, strict=True):
        np.testing.assert_array_equal(weight, expected)
    assert [variable.path for variable in model.trainable_variables] == [
        "logits/kernel",
        "logits/bias",
    ]


def test_the_result_is_the_whole_models(digits: ImageDataset):
    definition = get_definition("ae50-10")
    result = fit_autoencoder(
        definition.build((8, 8, 1), 10, 3),
        digits.images,
        digits.labels,
        definition.weight_decays,
        seed=3,
        max_iterations=100,
    )
    logits = result.model.predict(digits.images, batch_size=500, verbose=0).astype(np.float64)
    log_normaliser = np.log(np.exp(logits).sum(axis=1))
    kernel = result.model.get_layer("logits").get_weights()[0]
    expected = np.mean(log_normaliser - logits[np.arange(len(logits)), digits.labels])
    expected += definition.weight_decays["logits"] * np.sum(kernel**2) / 10
    assert result.loss == pytest.approx(expected, rel=1e-4)
    assert np.mean(logits.argmax(axis=1) != digits.labels) < 0.03


def test_an_image_of_another_shape_is_no_matter(encoder: list[np.ndarray]):
    assert [weight.shape for weight in encoder] == [(64, 50), (50,)]
    assert all(weight.dtype == np.float32 for weight in encoder)
