"""The number of images in work: by free memory, and halved where that runs out."""

import re
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.attacks.conftest import Linear, make_classifier
from tfblindspots import runtime
from tfblindspots.attacks import (
    AdversarialExamples,
    AttackConfig,
    batch_in_use,
    choose_batch_size,
    find_adversarial_examples,
    passes,
    rolling_batch,
)
from tfblindspots.attacks.batch_size import bytes_per_image
from tfblindspots.attacks.compiled_search import CompiledSearch
from tfblindspots.attacks.lattice_search import LatticeSearch
from tfblindspots.attacks.search_state import Problem
from tfblindspots.errors import InputError
from tfblindspots.models import Classifier, load_classifier, predict_classes

_NETWORK = str(Path(__file__).parents[2] / "saved_models" / "digits" / "fc10-1")
_AUTO = AttackConfig(batch_size="auto")


def _photo_classifier() -> Classifier:
    return make_classifier(lambda x: tf.reduce_mean(x, [1, 2]), (128, 128, 3), 3)


def test_the_default_and_what_is_asked_for(linear: Linear) -> None:
    assert choose_batch_size(linear.classifier, AttackConfig()) == 256
    assert choose_batch_size(_photo_classifier(), AttackConfig()) == 16
    assert choose_batch_size(linear.classifier, AttackConfig(batch_size=7)) == 7
    with pytest.raises(
        InputError, match=r"size is many; expected a whole number from 1 to \d+, or auto\."
    ):
        AttackConfig(batch_size="many")


def test_what_an_image_takes_is_counted() -> None:
    """Two layers of 32 and 10, twice 24 rows of pixels, or 26 where there are convolutions."""

    def dense(images: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(tf.reshape(images, [-1, 16]) @ tf.ones([16, 32])) @ tf.ones([32, 10])

    inside = tf.function(dense, input_signature=[tf.TensorSpec([None, 4, 4, 1])], autograph=False)
    for logits in (dense, inside):
        found = bytes_per_image(make_classifier(logits, (4, 4, 1), 10), _AUTO)
        assert found == 4 * (2 * 24 * 16 + 32 + 32 + 10)

    def convolution(images: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.conv2d(images, tf.ones([1, 1, 1, 3]), 1, "SAME"), [1, 2])

    found = bytes_per_image(make_classifier(convolution, (4, 4, 1), 3), _AUTO)
    assert found == 4 * (2 * 28 * 16 + 3 * 16 + 3)


@pytest.mark.parametrize(
    ("gpu", "images_free", "expected"),
    [
        (False, 10_000, 256),  # more would not be faster
        (False, 100.1, 60),  # 60 %
        (False, 250, 144),  # above 64 multiples of 16
        (False, 0.5, 1),
        (False, None, 256),
        (True, 10_000, 1024),
        (True, 250, 144),
    ],
)
def test_the_size_follows_the_free_memory(
    gpu: bool,
    images_free: float | None,
    expected: int,
    linear: Linear,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cost = bytes_per_image(linear.classifier, _AUTO)
    free = None if images_free is None else int(images_free * cost)
    monkeypatch.setattr(runtime, "on_gpu", lambda: gpu)
    monkeypatch.setattr(runtime, "free_memory", lambda: free)
    assert choose_batch_size(linear.classifier, _AUTO) == expected


@pytest.fixture
def network() -> Classifier:
    """Loaded anew, so that its batch size is not halved yet."""
    return load_classifier(_NETWORK)


def _attack(classifier: Classifier, size: int) -> AdversarialExamples:
    images = np.random.default_rng(0).uniform(size=(40, 8, 8, 1)).astype(np.float32)
    labels = predict_classes(classifier, images)
    # Without XLA around the model, so that the tests share what is compiled.
    config = AttackConfig(batch_size=size, target="untargeted", xla=False)
    return find_adversarial_examples(classifier, images, labels, config)


def test_a_search_out_of_memory_goes_on_with_half_the_batch(
    network: Classifier, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = _attack(load_classifier(_NETWORK), 16)
    spread, begun, made = rolling_batch._spread, [], []

    def limited(problem: Problem, slots: np.ndarray, count: int) -> Any:
        """Memory runs out when the larger batch is to take its first new images."""
        begun.append(slots.size)
        if count > 16 and sum(begun) > count:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nhint")
        return spread(problem, slots, count)

    class Recorded(CompiledSearch):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            made.append(weakref.ref(self))

    monkeypatch.setattr(rolling_batch, "_spread", limited)
    monkeypatch.setattr(passes, "CompiledSearch", Recorded)
    passes._compiled.cache_clear()
    found = _attack(network, 32)
    assert batch_in_use(network, AttackConfig(batch_size=32)).size == 16
    [record] = caplog.records
    line = (
        r"Model fc10-1 ran out of memory with 32 images in work \(OOM when allocating\); the (\d+) "
        r"images left go on with 16\."
    )
    done = re.fullmatch(line, record.getMessage())
    # Some were done by then, and are not done again.
    assert done and 8 <= int(done[1]) <= 36
    assert sum(begun) <= 40 + int(done[1])
    assert [search().slots for search in made if search() is not None] == [16]
    for field in ("image", "evaluations"):
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), atol=1e-5)
    np.testing.assert_array_equal(found.image_uint8, expected.image_uint8)
    # The size that fits is kept, without another warning.
    caplog.clear()
    _attack(network, 32)
    assert not caplog.records


def test_the_last_step_and_the_search_for_8_bits_go_on_too(
    network: Classifier, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = _attack(load_classifier(_NETWORK), 16)
    run, problem = LatticeSearch.run, rolling_batch.Images.problem

    def limited_run(search: LatticeSearch, *work: Any) -> Any:
        if search.slots > 8:
            raise MemoryError
        return run(search, *work)

    def limited_problem(images: rolling_batch.Images, noisy: bool = False) -> Problem:
        if len(images.original) == 32:
            raise MemoryError
        return problem(images, noisy)

    monkeypatch.setattr(LatticeSearch, "run", limited_run)
    last_step = passes._LastStep.work

    def work(step: Any, searches: Any, slots: int) -> None:
        monkeypatch.setattr(rolling_batch.Images, "problem", limited_problem)
        last_step(step, searches, slots)

    monkeypatch.setattr(passes._LastStep, "work", work)
    found = _attack(network, 32)
    np.testing.assert_allclose(found.image, expected.image, atol=1e-5)
    np.testing.assert_array_equal(found.image_uint8, expected.image_uint8)
    assert [record.getMessage() for record in caplog.records] == [
        f"Model fc10-1 ran out of memory with {size} images in work (MemoryError); the 40 images "
        f"left go on with {size // 2}."
        for size in (32, 16)
    ]


def test_no_memory_for_one_image_is_one_line(
    network: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compiled(*_: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM")

    compiled.cache_clear = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setattr(passes, "_compiled", compiled)
    with pytest.raises(InputError) as error:
        _attack(network, 3)
    assert str(error.value) == (
        "model fc10-1 runs out of memory with one image in work (OOM); expected memory for at "
        "least one. Free some, or use another machine or device."
    )
