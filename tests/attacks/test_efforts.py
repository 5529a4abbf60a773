import numpy as np

from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.attacks.efforts import choose_effort
from tfblindspots.attacks.stages import REACH, REFINE
from tfblindspots.models import Classifier, predict_classes


def test_more_effort_finds_nearer_images_at_a_higher_cost(
    network: Classifier, images: np.ndarray
) -> None:
    labels = predict_classes(network, images)
    fast, standard, thorough = (
        find_adversarial_examples(network, images, labels, AttackConfig(effort=effort))
        for effort in ("fast", "standard", "thorough")
    )
    assert fast.success.all() and standard.success.all() and thorough.success.all()
    assert thorough.l2.mean() <= standard.l2.mean() <= fast.l2.mean()
    assert (thorough.l2 <= 1.02 * standard.l2).all()
    assert fast.evaluations.mean() < standard.evaluations.mean() < thorough.evaluations.mean()


def test_the_limit_covers_all_searches(network: Classifier, images: np.ndarray) -> None:
    labels = predict_classes(network, images)
    found = find_adversarial_examples(
        network, images, labels, AttackConfig(effort="thorough", max_evaluations=70)
    )
    assert found.evaluations.max() <= 70
    assert found.success.all()


def test_every_effort_ends_by_refining_and_has_a_noisy_start() -> None:
    for name in ("fast", "standard", "thorough"):
        for convolutional in (False, True):
            for pixels in (784, 154_587):
                effort = choose_effort(name, convolutional, pixels)
                assert effort.direct.stages[-1].kind == effort.noisy.stages[-1].kind == REFINE
                assert effort.noisy.stages[0].kind == REACH
