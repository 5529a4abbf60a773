import numpy as np
import tensorflow as tf

from tfblindspots.attacks import segment


def test_the_boundary_along_the_segment_is_met_and_never_crossed() -> None:
    rng = np.random.default_rng(0)
    original = tf.constant(rng.uniform(size=(50, 9)), tf.float32)
    found = tf.constant(rng.uniform(size=(50, 9)), tf.float32)
    crossing = rng.uniform(0.8, 0.999, 50).astype(np.float32)
    steepness = rng.uniform(0.5, 3, 50).astype(np.float32)
    calls = []

    def margins(points: tf.Tensor) -> tf.Tensor:
        calls.append(len(points))
        length = tf.norm(found - original, axis=-1)
        share = tf.norm(points - original, axis=-1) / length
        return crossing**steepness - share**steepness

    result = segment.tighten(margins, original, found)
    share = np.linalg.norm(result - original, axis=1) / np.linalg.norm(found - original, axis=1)
    assert len(calls) == segment.EVALUATIONS
    assert (share >= crossing).all()
    assert (share <= 1).all()
    excess = share / crossing - 1
    assert np.median(excess) < 0.01 and excess.max() < 0.05
    points = result.numpy()
    assert points.min() >= 0 and points.max() <= 1
