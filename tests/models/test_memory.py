"""Work in parts that memory allows for."""

import numpy as np
import pytest
import tensorflow as tf

from tests.attacks.conftest import make_linear
from tfblindspots.models import classifier as classifier_module
from tfblindspots.models import predict_logits


def test_predictions_out_of_memory_go_on_with_fewer_images(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    linear = make_linear(5)
    images = np.random.default_rng(7).uniform(0, 1, (60, 4, 4, 1)).astype(np.float32)
    compiled = classifier_module._compiled_logits(linear.classifier)
    sizes = []

    def limited(batch: tf.Tensor) -> tf.Tensor:
        if len(batch) > 16:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM")
        sizes.append(len(batch))
        return compiled(batch)

    monkeypatch.setattr(classifier_module, "_compiled_logits", lambda classifier: limited)
    found = predict_logits(linear.classifier, images, batch_size=40)
    np.testing.assert_allclose(found, images.reshape(60, 16) @ linear.weights + linear.biases, 1e-4)
    assert sizes == [10] * 6
    assert [record.getMessage() for record in caplog.records] == [
        f"Model test ran out of memory with {size} images in work (OOM); the 60 images left go on "
        f"with {size // 2}."
        for size in (40, 20)
    ]
