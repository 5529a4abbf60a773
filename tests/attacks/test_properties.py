"""Whatever the images, shapes, classes and settings: what is claimed is true, and not too far."""

import hypothesis
import numpy as np
import tensorflow as tf
from hypothesis import strategies as st

from tests.attacks.conftest import make_classifier
from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.models import predict_classes


# Without shrinking: each example compiles a model, and a failing one is small enough as it is.
@hypothesis.settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[hypothesis.Phase.generate],
)
@hypothesis.given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3)),
    classes=st.integers(2, 6),
    hidden=st.integers(0, 12),
    scale=st.sampled_from([1e-3, 1.0, 1e2]),
    on_the_bounds=st.booleans(),
    target=st.sampled_from(["random", "untargeted", "least_likely", "all"]),
    norm=st.sampled_from(["squared_l2", "l2"]),
    effort=st.sampled_from(["fast", "standard"]),
    seed=st.integers(0, 1000),
)
def test_claims_hold(  # type: ignore[no-untyped-def]
    shape, classes, hidden, scale, on_the_bounds, target, norm, effort, seed
) -> None:
    rng = np.random.default_rng(seed)
    pixels = int(np.prod(shape))
    images = rng.uniform(size=(7, *shape)).astype(np.float32)
    if on_the_bounds:
        images = np.round(images)
    width = hidden or pixels
    first = rng.normal(size=(pixels, width)).astype(np.float32)
    second = rng.normal(size=(width, classes)).astype(np.float32)

    def logits(batch: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(batch, [-1, pixels]) - 0.5
        return scale * ((tf.nn.relu(flat @ first) if hidden else flat @ first) @ second)

    model = make_classifier(logits, shape, classes)
    labels = predict_classes(model, images)
    before = images.copy()
    config = AttackConfig(
        target=target, norm=norm, effort=effort, seed=seed, batch_size=4, xla=False
    )
    found = find_adversarial_examples(model, images, labels, config)

    np.testing.assert_array_equal(images, before)
    assert found.image.shape == images.shape and found.image.dtype == np.float32
    assert found.image.min() >= 0 and found.image.max() <= 1
    prediction = predict_classes(model, found.image)
    np.testing.assert_array_equal(found.prediction, prediction)
    reached = prediction == found.target if target != "untargeted" else prediction != labels
    np.testing.assert_array_equal(found.success == 1, reached)
    in_8_bits = found.image_uint8.astype(np.float32) / np.float32(255)
    assert found.image_uint8.dtype == np.uint8 and in_8_bits.shape == images.shape
    prediction = predict_classes(model, in_8_bits)
    np.testing.assert_array_equal(found.prediction_uint8, prediction)
    reached_uint8 = prediction == found.target if target != "untargeted" else prediction != labels
    np.testing.assert_array_equal(found.success_uint8 == 1, reached_uint8)
    change = (in_8_bits.astype(float) - images).reshape(7, -1)
    rms = np.sqrt(np.square(change).mean(axis=1))
    np.testing.assert_allclose(found.distortion_uint8, rms, rtol=1e-5)
    lost = reached & ~reached_uint8
    # One or two pixels may have no grey levels between two boundaries.
    assert not lost.any() or pixels < 4
    assert (rms[lost] <= 0.5 / 255).all()
    changed = (found.image != images).any(axis=(1, 2, 3))
    np.testing.assert_array_equal(changed, reached)
    change = (found.image.astype(float) - images).reshape(7, -1)
    np.testing.assert_allclose(found.l2, np.linalg.norm(change, axis=1), rtol=1e-5)
    assert (found.evaluations <= 200 * (classes - 1 if target == "all" else 1)).all()
    assert set(found.status[reached]) <= {"converged", "evaluation limit"}
    assert set(found.status[~reached]) <= {"no adversarial image found"}
    # Just short of the boundary the image is not adversarial any more: nothing nearer that way.
    shorter = images + np.float32(0.9) * (found.image - images)
    if target in ("untargeted", "all") and reached.any():
        assert (predict_classes(model, shorter)[reached] == labels[reached]).mean() > 0.8
