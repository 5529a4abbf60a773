"""A QuocNet is its stages in turn, frozen, below a linear classifier."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfblindspots.errors import InputError
from tfblindspots.models import (
    STAGES,
    Stage,
    build_quocnet,
    check_stages,
    export_saved_model,
    load_classifier,
)
from tfblindspots.models.quocnet import filtering, normalization, pooling

_STAGES = (Stage(3, 1, 4, 2, 2, 3), Stage(2, 1, 5, 2, 1, 3))


def test_it_is_the_stages_in_turn_and_their_export_has_gradients(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    images = random.random((6, 12, 12, 3), np.float32)
    expected = tf.constant(images)
    layers = []
    for number, stage in enumerate(_STAGES, start=1):
        chain = [filtering(number, stage), pooling(number, stage), normalization(number, stage, 1)]
        for layer in chain:
            layer.build(expected.shape)
            layer.set_weights([random.normal(size=weight.shape) for weight in layer.weights])
            expected = layer(expected)
        layers += chain
    model = build_quocnet((12, 12, 3), layers)
    assert [weight.path for weight in model.trainable_weights] == ["logits/kernel", "logits/bias"]
    weights = random.normal(size=(np.prod(expected.shape[1:]), 2)).astype(np.float32)
    model.get_layer("logits").set_weights([weights, np.zeros(2)])
    logits = tf.reshape(expected, (6, -1)) @ weights
    np.testing.assert_allclose(model(images), logits, rtol=1e-4, atol=1e-4)
    export_saved_model(model, tmp_path / "model", {"kind": "saved_model"})
    for path in (tmp_path / "model", tmp_path / "model" / "assets.extra" / "model.keras"):
        classifier = load_classifier(path)
        for value in (images, np.zeros_like(images)):
            with tf.GradientTape() as tape:
                given = tf.constant(value)
                tape.watch(given)
                found = classifier.logits(given)
            assert np.isfinite(tape.gradient(found, given)).all()
        np.testing.assert_allclose(classifier.logits(tf.constant(images)), logits, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((8, 8, 1), r"stage 2 .* needs 2x2 positions but images of shape \[8, 8, 1\] leave it 1x1"),
        ((5, 40, 3), "stage 1 .* needs 6x6 positions"),
    ],
)
def test_images_that_are_too_small_are_refused(shape: tuple[int, int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_stages(shape, STAGES)


def test_images_of_32_pixels_are_large_enough() -> None:
    check_stages((32, 32, 3), STAGES)
