"""Training by Keras fit."""

import numpy as np
import pytest

from tfblindspots.data import ImageDataset, load_dataset
from tfblindspots.models import get_definition
from tfblindspots.training.fit import ShuffledBatches, fit_adam


@pytest.fixture(scope="module")
def digits() -> ImageDataset:
    return load_dataset("digits", "train[:600]")


def test_fit_learns_digits_and_leaves_the_model_uncompiled(digits: ImageDataset):
    model = get_definition("conv").build((8, 8, 1), 10, 0)
    result = fit_adam(model, digits.images, digits.labels, {"logits": 1e-3}, seed=0, epochs=30)
    assert result.model is model
    assert not model.compiled
    assert not result.converged
    assert (result.iterations, result.evaluations) == (30, 30 * 5)
    assert result.message == "stopped after the 30 epochs that were asked for"
    logits = model.predict(digits.images, batch_size=600, verbose=0).astype(np.float64)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    kernel = model.get_layer("logits").get_weights()[0]
    expected = -np.mean(log_probabilities[np.arange(600), digits.labels])
    expected += 1e-3 * np.sum(kernel**2) / 10
    assert result.loss == pytest.approx(expected, rel=1e-4)
    assert np.mean(logits.argmax(axis=1) != digits.labels) < 0.05


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own(digits: ImageDataset):
    labels = np.arange(300)
    batches = ShuffledBatches(digits.images[:300], labels, seed=5)
    epochs = []
    for _ in range(2):
        shown = [batches[index] for index in range(len(batches))]
        epochs.append(np.concatenate([batch_labels for _, batch_labels in shown]))
        images = np.concatenate([batch_images for batch_images, _ in shown])
        np.testing.assert_array_equal(images, digits.images[epochs[-1]])
        batches.on_epoch_end()
    np.testing.assert_array_equal(np.sort(epochs), [labels, labels])
    assert (epochs[0] != epochs[1]).any()
