"""8-bit adversarial images: the nearest grey levels, of those that a file of 8 bits can hold."""

import functools

import numpy as np

from tfblindspots.attacks.amplification import perturbation_sizes
from tfblindspots.attacks.batch_size import SMALL_BATCH, batch_in_use, slots_for
from tfblindspots.attacks.examples import AttackConfig, EightBitExamples, FloatExamples
from tfblindspots.attacks.lattice_search import LatticeSearch
from tfblindspots.attacks.objectives import UNTARGETED, Goal, judge
from tfblindspots.attacks.unanswered import unanswered
from tfblindspots.data import from_uint8, round_to_uint8
from tfblindspots.models import Classifier, is_unanswered, predict_logits

# Rounds of the search for the companion of a float image, and for an image that is all that is
# sought; what a round's gradient counts for.
_ROUNDS, _MORE_ROUNDS, _SHARE = 1, 6, 0.3
# Rounds and shares where that found nothing: along the float perturbation, and elsewhere.
_AGAIN = ((4, 0.0), (12, _SHARE))


def find_eight_bit(
    classifier: Classifier, found: FloatExamples, config: AttackConfig
) -> EightBitExamples:
    """Finds for each adversarial image one of 8 bits that is adversarial too, as near as may be.

    An image that is misclassified to begin with is the original, rounded, if that still is, and
    searched from there otherwise. Where the float attack failed, or nothing is found here, the
    image is the original, rounded; so it is, without success, where the model returned NaN for the
    original or returns it for what was found.

    Args:
      classifier: the model under attack.
      found: N images and what the attack found for them.
      config: the attack; with ``bits=8`` more is spent on each image.

    Returns:
      An 8-bit image for each, and what it comes to.
    """
    levels = round_to_uint8(found.original)
    wrong = found.original_prediction != found.label
    sought = (found.image != found.original).any(axis=(1, 2, 3))
    if wrong.any():
        rows = np.flatnonzero(wrong)
        logits = predict_logits(classifier, from_uint8(levels[rows]))
        none = np.full(rows.size, UNTARGETED)
        _, kept = judge(logits, found.label[rows], none, found.original_prediction[rows])
        sought[rows] = ~kept
    lost = unanswered(found._asdict())
    sought &= ~lost
    target = np.where(wrong, UNTARGETED, found.target)
    goal = Goal(found.label, target)
    rows = np.flatnonzero(sought)
    first = (_MORE_ROUNDS if config.bits == 8 else _ROUNDS, _SHARE)
    for rounds, share in (first, *_AGAIN):
        rows = _search(classifier, config, found, goal, rows, rounds, share, levels)
    judged = judge_eight_bit(
        classifier, levels, found.original, found.label, found.target, found.original_prediction
    )
    return judged._replace(success_uint8=np.where(lost, 0, judged.success_uint8))


def _search(
    classifier: Classifier,
    config: AttackConfig,
    found: FloatExamples,
    goal: Goal,
    rows: np.ndarray,
    rounds: int,
    share: float,
    levels: np.ndarray,
) -> np.ndarray:
    """Puts what is found for the images ``rows`` into ``levels``; returns those without."""
    if not rows.size:
        return rows
    original, image = (x.reshape(len(x), -1) for x in (found.original, found.image))
    lost: list[np.ndarray] = []
    done = 0

    def work(size: int) -> None:
        nonlocal done
        slots = slots_for(size)
        if rows.size <= SMALL_BATCH:
            slots = min(slots, SMALL_BATCH)
        search = _compiled(classifier, slots)
        while done < rows.size:
            part = rows[done : done + slots]
            goals = Goal(goal.label[part], goal.target[part])
            result, hit = search.run(original[part], image[part], goals, rounds, share)
            levels[part[hit]] = result[hit].reshape(-1, *levels.shape[1:])
            lost.append(part[~hit])
            done += part.size

    batch_in_use(classifier, config).attempt(
        work, left=lambda: rows.size - done, forget=_compiled.cache_clear
    )
    return np.concatenate(lost)


@functools.lru_cache(maxsize=4)
def _compiled(classifier: Classifier, slots: int) -> LatticeSearch:
    """The search; kept, since compiling costs seconds."""
    return LatticeSearch(classifier, slots)


def judge_eight_bit(
    classifier: Classifier,
    levels: np.ndarray,
    original: np.ndarray,
    label: np.ndarray,
    target: np.ndarray,
    original_prediction: np.ndarray,
) -> EightBitExamples:
    """What 8-bit images come to, computed from these bytes.

    Where the model returns NaN for one, the image is the original, rounded.

    Args:
      classifier: the model under attack.
      levels: uint8 [N, H, W, C].
      original: float32 [N, H, W, C] in [0, 1].
      label: true classes, int64 [N].
      target: classes aimed at, -1 where there was none, int64 [N].
      original_prediction: int64 [N]. An image that is misclassified to begin with is a success
        with any class but the true one.

    Returns:
      The images, with ``success_uint8`` as ``judge`` has it.
    """
    image = from_uint8(levels)
    logits = predict_logits(classifier, image)
    lost = np.flatnonzero(is_unanswered(logits))
    if lost.size:
        levels = levels.copy()
        levels[lost] = round_to_uint8(original[lost])
        image[lost] = from_uint8(levels[lost])
        logits[lost] = predict_logits(classifier, image[lost])
    prediction, success = judge(logits, label, target, original_prediction)
    return EightBitExamples(
        image_uint8=levels,
        prediction_uint8=prediction,
        success_uint8=success.astype(np.int64),
        distortion_uint8=perturbation_sizes(original, image)["distortion"],
    )
