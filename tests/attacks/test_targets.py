import numpy as np
import pytest

from tfblindspots.attacks.targets import choose_targets

LOGITS = np.random.default_rng(0).normal(size=(500, 6)).astype(np.float32)
LABELS = np.where(np.arange(500) % 5 == 0, 2, LOGITS.argmax(1))  # one in five misclassified
INDICES = np.arange(500)


def test_random_targets_are_neither_true_nor_predicted_and_cover_the_rest() -> None:
    targets = choose_targets("random", LOGITS, LABELS, INDICES, seed=0)[:, 0]
    assert (targets != LABELS).all() and (targets != LOGITS.argmax(1)).all()
    assert set(targets[(LABELS == 2) & (LOGITS.argmax(1) == 2)]) == {0, 1, 3, 4, 5}


def test_random_targets_depend_on_seed_and_index_only() -> None:
    whole = choose_targets("random", LOGITS, LABELS, INDICES, seed=0)
    part = choose_targets("random", LOGITS[100:200], LABELS[100:200], INDICES[100:200], seed=0)
    np.testing.assert_array_equal(part, whole[100:200])
    assert (choose_targets("random", LOGITS, LABELS, INDICES, seed=1) != whole).any()


@pytest.mark.parametrize(("target", "place"), [("most_likely", -1), ("least_likely", 0)])
def test_likely_targets_by_sorting(target: str, place: int) -> None:
    chosen = choose_targets(target, LOGITS, LABELS, INDICES, seed=0)[:, 0]
    for row, label, found in zip(LOGITS, LABELS, chosen, strict=True):
        others = [k for k in row.argsort() if k != label]
        assert found == others[place]


def test_all_targets_are_every_class_but_the_label() -> None:
    targets = choose_targets("all", LOGITS, LABELS, INDICES, seed=0)
    for label, row in zip(LABELS, targets, strict=True):
        assert sorted([label, *row]) == list(range(6))


def test_untargeted_is_minus_one() -> None:
    assert (choose_targets("untargeted", LOGITS, LABELS, INDICES, seed=0) == -1).all()


def test_of_two_classes_the_other_is_the_random_target() -> None:
    logits = np.float32([[1, 0], [1, 0]])
    targets = choose_targets("random", logits, np.array([0, 1]), np.array([0, 1]), seed=0)
    np.testing.assert_array_equal(targets, [[1], [-1]])  # the second is misclassified already
