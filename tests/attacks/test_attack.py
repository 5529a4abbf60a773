"""How the attack treats batches, limits, broken models and bad input."""

import re

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from tests.attacks.conftest import Linear, make_classifier, make_linear
from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.data import load_dataset
from tfblindspots.errors import InputError
from tfblindspots.models import Classifier, get_definition, load_classifier, predict_classes


@pytest.fixture(scope="module")
def labels(network: Classifier, images: np.ndarray) -> np.ndarray:
    return predict_classes(network, images)


@pytest.mark.parametrize("solver", ["lbfgs", "tfp"])
def test_an_identical_call_gives_identical_bytes(
    network: Classifier, images: np.ndarray, labels: np.ndarray, solver: str
) -> None:
    config = AttackConfig(solver=solver, batch_size=16)
    first = find_adversarial_examples(network, images, labels, config)
    second = find_adversarial_examples(network, images, labels, config)
    for one, other in zip(first, second, strict=True):
        assert_array_equal(one, other)


def test_company_and_order_do_not_matter(
    network: Classifier, images: np.ndarray, labels: np.ndarray
) -> None:
    together = find_adversarial_examples(network, images, labels, AttackConfig())
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = find_adversarial_examples(
        network, images[order], labels[order], AttackConfig(), indices=order
    )
    assert_array_equal(shuffled.prediction, together.prediction[order])
    assert_array_equal(shuffled.target, together.target[order])
    assert_allclose(shuffled.distortion, together.distortion[order], rtol=1e-4)
    # Another batch size makes the model round otherwise: a search may end a little elsewhere.
    fewer = find_adversarial_examples(network, images, labels, AttackConfig(batch_size=7))
    assert_array_equal(fewer.prediction, together.prediction)
    assert_allclose(fewer.distortion, together.distortion, rtol=1e-2)
    for i in range(3):
        alone = find_adversarial_examples(
            network, images[i : i + 1], labels[i : i + 1], AttackConfig(), indices=np.array([i])
        )
        assert alone.prediction[0] == together.prediction[i]
        assert_allclose(alone.distortion[0], together.distortion[i], rtol=1e-4)


@pytest.mark.parametrize("effort", ["standard", "thorough"])
def test_more_images_than_slots_are_all_done_and_counted(
    network: Classifier, images: np.ndarray, labels: np.ndarray, effort: str
) -> None:
    done: list[int] = []
    config = AttackConfig(batch_size=8, effort=effort)
    found = find_adversarial_examples(network, images, labels, config, progress=done.append)
    assert found.success.all()
    assert done == sorted(done) and done[-1] == len(images)


def test_progress_ends_at_all_images_where_none_is_attacked(
    network: Classifier, images: np.ndarray, labels: np.ndarray
) -> None:
    done: list[int] = []
    wrong = (labels + 1) % 3
    found = find_adversarial_examples(network, images, wrong, progress=done.append)
    assert (found.evaluations == 0).all()
    assert done[-1] == len(images)


def test_progress_of_the_tfp_solver_is_even(
    network: Classifier, images: np.ndarray, labels: np.ndarray
) -> None:
    done: list[int] = []
    config = AttackConfig(solver="tfp", effort="thorough", batch_size=16, max_evaluations=10)
    find_adversarial_examples(network, images[:48], labels[:48], config, progress=done.append)
    assert done == [16, 32, 48, 48]


def test_cost_an_image_is_pinned(
    network: Classifier, images: np.ndarray, labels: np.ndarray
) -> None:
    """Counts move a little with the rounding of another processor, not by a tenth."""
    random = find_adversarial_examples(network, images, labels, AttackConfig())
    untargeted = find_adversarial_examples(network, images, labels, AttackConfig("untargeted"))
    assert_allclose(random.evaluations.mean(), 26.5, rtol=0.1)
    assert_allclose(untargeted.evaluations.mean(), 18.5, rtol=0.1)


def test_images_misclassified_to_begin_with_are_returned_as_they_are(
    network: Classifier, images: np.ndarray, labels: np.ndarray
) -> None:
    wrong = labels.copy()
    wrong[::3] = (wrong[::3] + 1) % 5
    found = find_adversarial_examples(network, images, wrong, AttackConfig("untargeted"))
    assert_array_equal(found.image[::3], images[::3])
    assert (found.status[::3] == "already misclassified").all()
    assert (found.distortion[::3] == 0).all() and (found.success[::3] == 1).all()
    assert (found.evaluations[::3] == 0).all() and (found.c[::3] == 0).all()
    assert (found.distortion[1::3] > 0).all()
    nothing_left = find_adversarial_examples(network, images[:1], wrong[:1], AttackConfig())
    assert nothing_left.status[0] == "already misclassified"


def test_the_limit_on_evaluations_is_honoured_and_said(
    network: Classifier, images: np.ndarray, labels: np.ndarray
) -> None:
    found = find_adversarial_examples(network, images, labels, AttackConfig(max_evaluations=10))
    assert (found.evaluations <= 10).all()
    assert (found.status != "converged").all()
    assert_array_equal(found.success == 1, found.status == "evaluation limit")


def test_an_image_whose_loss_is_not_finite_ends_alone(images: np.ndarray) -> None:
    """Finite at the images themselves, not a number wherever a bright first pixel is dimmed."""
    weights = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)

    def logits(batch: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(batch, [-1, 16])
        trap = tf.where((flat[:, :1] > 0.9) & (flat[:, :1] < 0.999), np.nan, 1.0)
        return trap * ((flat - 0.5) @ weights)

    model = make_classifier(logits, (4, 4, 1), 3)
    trapped = images.copy()
    trapped[:, 0, 0, 0] = 0.5
    trapped[::4, 0, 0, 0] = 1.0
    found = find_adversarial_examples(
        model, trapped, predict_classes(model, trapped), AttackConfig("untargeted")
    )
    assert np.isfinite(found.image).all() and np.isfinite(found.distortion).all()
    assert found.success[np.arange(60) % 4 > 0].all()
    assert (found.status[np.arange(60) % 4 > 0] == "converged").all()
    assert (found.status[::4] == "not finite").any()


def test_a_model_without_gradients_is_reported_not_hidden(images: np.ndarray) -> None:
    def logits(batch: tf.Tensor) -> tf.Tensor:
        flat = tf.reshape(batch, [-1, 16])
        # The second class wins only where fifteen pixels are bright, which no noise comes upon.
        bright = tf.round(tf.reduce_prod(flat[:, :15], axis=-1, keepdims=True))
        return tf.concat([tf.zeros_like(bright) + 0.5, bright], axis=-1)

    model = make_classifier(logits, (4, 4, 1), 2)
    found = find_adversarial_examples(
        model, images, predict_classes(model, images), AttackConfig("untargeted", xla=False)
    )
    failed = found.success == 0
    assert failed.any()
    assert (found.status[failed] == "no adversarial image found").all()
    assert_array_equal(found.image[failed], images[failed])
    assert (found.prediction[failed] == found.label[failed]).all()
    assert (found.c[failed] == 0).all()


def test_tfp_solver_agrees_on_a_linear_model(linear: Linear, images: np.ndarray) -> None:
    labels = linear.predict(images)
    ours = find_adversarial_examples(linear.classifier, images, labels, AttackConfig("untargeted"))
    theirs = find_adversarial_examples(
        linear.classifier,
        images,
        labels,
        AttackConfig("untargeted", solver="tfp"),
    )
    assert theirs.success.all()
    assert_allclose(theirs.l2.mean(), ours.l2.mean(), rtol=0.05)
    assert theirs.l2.mean() >= 0.999 * ours.l2.mean()


def test_tfp_solver_minimises_the_plain_norm_too(linear: Linear, images: np.ndarray) -> None:
    """|r| has no derivative at the start."""
    found = find_adversarial_examples(
        linear.classifier,
        images[:20],
        linear.predict(images[:20]),
        AttackConfig("untargeted", solver="tfp", norm="l2"),
    )
    assert found.success.mean() > 0.9
    assert np.isfinite(found.distortion).all()


def test_a_model_that_xla_cannot_compile(images: np.ndarray) -> None:
    """XLA knows no operation that runs Python; by default the model then runs without it."""
    weights = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)

    @tf.custom_gradient
    def through_python(flat: tf.Tensor) -> tuple[tf.Tensor, object]:
        logits = tf.ensure_shape(
            tf.numpy_function(lambda x: (x - 0.5) @ weights, [flat], tf.float32), [flat.shape[0], 3]
        )
        return logits, lambda upstream: upstream @ weights.T

    model = make_classifier(lambda x: through_python(tf.reshape(x, [-1, 16])), (4, 4, 1), 3)
    labels = predict_classes(model, images)
    found = find_adversarial_examples(model, images, labels, AttackConfig("untargeted"))
    assert found.success.all()
    with _rejected("Use xla off or auto."):
        find_adversarial_examples(model, images, labels, AttackConfig("untargeted", xla=True))


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_scale_of_the_logits_does_not_matter_for_success(
    images: np.ndarray, scale: float
) -> None:
    model = make_linear(5, scale=3 * scale)
    found = find_adversarial_examples(
        model.classifier, images, model.predict(images), AttackConfig(xla=False)
    )
    assert found.success.all()


@pytest.mark.parametrize("xla", [None, False, True])
def test_a_convolutional_network_from_memory(xla: bool | None) -> None:
    """By default only the optimiser around the model is compiled by XLA."""
    model = get_definition("conv").build((8, 8, 1), 10, seed=0)
    classifier = load_classifier(model)
    images = load_dataset("digits", "test[:20]").images
    labels = predict_classes(classifier, images)
    found = find_adversarial_examples(
        classifier, images, labels, AttackConfig("untargeted", batch_size=8, xla=xla)
    )
    assert found.success.all()
    assert (found.prediction != labels).all()
    assert found.distortion.max() < 0.2
    assert (found.evaluations <= 200).all()


def test_labels_may_be_a_list(network: Classifier, images: np.ndarray, labels: np.ndarray) -> None:
    found = find_adversarial_examples(network, images[:2], labels[:2].tolist())
    assert found.label.dtype == np.int64 and found.success.all()


def _rejected(message: str):  # type: ignore[no-untyped-def]
    return pytest.raises(InputError, match=re.escape(message))


def test_rejections(network: Classifier, images: np.ndarray, labels: np.ndarray) -> None:
    with _rejected("expects float32 [N, 4, 4, 1], N at least 1"):
        find_adversarial_examples(network, images[:, :3], labels)
    with _rejected("images range from 0"):
        find_adversarial_examples(network, images * 255, labels)
    with _rejected("model test has the classes 0 to 4"):
        find_adversarial_examples(network, images, labels + 10)
    with _rejected("there are 3 labels for 60 images; expected one each."):
        find_adversarial_examples(network, images, labels[:3])
    with _rejected("there are 2 indices for 60 images; expected one each."):
        find_adversarial_examples(network, images, labels, indices=np.arange(2))
    for first, found in ((-1, "int64 from -1"), (0.5, "float64 from 0.5")):
        with _rejected(f"indices are {found}; expected whole numbers of at least 0"):
            find_adversarial_examples(network, images, labels, indices=np.arange(60) + first)
    present = int(labels[0])
    with _rejected(f"target {present} is already the true or predicted class of"):
        find_adversarial_examples(network, images, labels, AttackConfig(str(present)))
    with _rejected("target is class 5; the model has the classes 0 to 4."):
        find_adversarial_examples(network, images, labels, AttackConfig("5"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "ostrich"}, "target is 'ostrich'; expected random, untargeted, most_likely,"),
        ({"target": 3}, "target is 3; expected random, untargeted, most_likely,"),
        ({"seed": None}, "seed is None; expected a whole number from 0 to 2147483647."),
        ({"norm": "l7"}, "norm is 'l7'; expected squared_l2 or l2."),
        ({"effort": "heroic"}, "effort is 'heroic'; expected fast, standard, thorough."),
        ({"solver": "magic"}, "solver is 'magic'; expected lbfgs or tfp."),
        ({"batch_size": 0}, "batch_size is 0; expected a whole number from 1 to"),
        ({"batch_size": 2.5}, "batch_size is 2.5; expected a whole number from 1 to"),
        ({"max_evaluations": 3}, "max_evaluations is 3; expected a whole number from 10 to"),
        ({"max_evaluations": 12.5}, "max_evaluations is 12.5; expected a whole number from 10 to"),
        ({"seed": -1}, "seed is -1; expected a whole number from 0 to 2147483647."),
    ],
)
def test_rejected_settings(settings: dict[str, object], message: str) -> None:
    with _rejected(message):
        AttackConfig(**settings)  # type: ignore[arg-type]
