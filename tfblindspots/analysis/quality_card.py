"""The quality card of an attack: what makes its numbers look better or worse than the model is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tfblindspots.attacks import attacked as was_attacked
from tfblindspots.attacks import unanswered

TOO_ROBUST = "too robust"
TOO_FRAGILE = "too fragile"
EITHER = "either"


class _Rule(NamedTuple):
    """When to warn, and how."""

    id: str
    bias: str  # how the model looks
    text: str  # what follows "3 of 20 "
    above: float = 0.0  # the share from which on it matters to a mean


_RULES = (
    _Rule(
        "misclassified",
        TOO_FRAGILE,
        "images are misclassified to begin with and count as distortion 0, which makes the model "
        "look more fragile than it is where the images are not what it was trained for; check "
        "their scale (--pixel_range, in Python pixel_range) and the numbers of the classes",
        above=0.5,
    ),
    _Rule(
        "not_finite_images",
        EITHER,
        "images get NaN from the model and are not attacked, so that nothing is known of the model "
        "there; look for a root, a logarithm or a division at 0, or for images that are not what "
        "the model was trained for",
    ),
    _Rule(
        "not_finite_logits",
        TOO_ROBUST,
        "checked images have NaN or infinite logits, between which no search finds a boundary, so "
        "the model may look more robust than it is; remove what overflows or takes the logarithm "
        "of 0",
    ),
    _Rule(
        "not_deterministic",
        EITHER,
        "checked images have other logits when evaluated again, so the model may look more fragile "
        "than it is where a lucky draw counted as adversarial, more robust where noise misled the "
        "search; switch dropout and noise off, or average over many draws inside the model",
    ),
    _Rule(
        "not_finite_gradients",
        TOO_ROBUST,
        "checked images have a gradient with NaN or infinities, which ends the search, so the "
        "model may look more robust than it is; look for a root, a logarithm or a division at 0",
    ),
    _Rule(
        "zero_gradients",
        TOO_ROBUST,
        "checked images have a gradient of exactly 0, which leads nowhere, so the model may look "
        "more robust than it is; attack it without what rounds or saturates, or attack a smooth "
        "copy",
    ),
    _Rule(
        "flat_losses",
        TOO_ROBUST,
        "checked images have a loss so flat that its gradient points farther than any image lies, "
        "so the model may look more robust than it is; look for saturated units, such as sigmoids "
        "of large sums, and attack the model without them or a smooth copy",
    ),
    _Rule(
        "saturated_probabilities",
        TOO_ROBUST,
        "checked images give the class to reach a probability of exactly 0, whose gradient is "
        "dead, so the model may look more robust than it is; give logits instead of probabilities",
    ),
    _Rule(
        "rounded_margins",
        TOO_ROBUST,
        "checked images have margins so small beside their logits that beating float32's rounding "
        "adds over 1 % to the distortion, so the model may look more robust than it is; subtract "
        "from the logits what they have in common",
        above=0.5,
    ),
    _Rule(
        "not_found",
        EITHER,
        "attacked images have no adversarial image, which makes the model look more robust than it "
        "is by the success rate, if a better search would find one, and more fragile by the means, "
        "which leave these images out; raise max_evaluations and heed the other warnings",
    ),
    _Rule(
        "not_confirmed",
        TOO_ROBUST,
        "attacked images lost their adversarial image when it was evaluated once more as stored "
        "and count as failures, so the model may look more robust than it is; switch XLA and "
        "whatever is random in the model off",
    ),
    _Rule(
        "lost_in_8_bits",
        TOO_ROBUST,
        "adversarial images have none of 8 bits beside them that is adversarial too, so the model "
        "may look more robust than it is to whoever reads image_uint8; use the float images",
    ),
    _Rule(
        "not_finite_searches",
        TOO_ROBUST,
        "searches met a loss or gradient that is not finite and ended early, so the model may look "
        "more robust than it is; look for what overflows near these images",
    ),
    _Rule(
        "evaluation_limit",
        TOO_ROBUST,
        "searches reached their limit before they converged, so that nearer adversarial images may "
        "exist and the model may look more robust than it is; raise max_evaluations",
        above=0.01,
    ),
)


def make_quality_card(
    examples: Mapping[str, np.ndarray], checks: Mapping[str, Any]
) -> dict[str, Any]:
    """Says what is wrong with the numbers of an attack, and nothing where nothing is.

    Args:
      examples: fields of an adversarial set by name, each [N] with N at least 1: ``label``,
        ``original_prediction``, ``success``, ``distortion``, ``evaluations``, ``status``; where
        they have 8-bit images, ``success_uint8``.
      checks: of the model on images of the set, from ``check_model``.

    Returns:
      JSON-ready: ``checks``, as given, and ``warnings``, each with ``id``, ``count`` of images
      ``of`` those concerned (all, attacked or checked), ``share`` in (0, 1], ``bias`` (how the
      model looks beside what it is: ``"too robust"``, ``"too fragile"`` or ``"either"``) and
      ``text``, one sentence: what was seen, what it does, what to do.
    """
    counts = _counts(examples, checks)
    return {
        "checks": dict(checks),
        "warnings": [
            {
                "id": rule.id,
                "count": count,
                "of": of,
                "share": count / of,
                "bias": rule.bias,
                "text": f"{count:,} of {of:,} {rule.text}.",
            }
            for rule in _RULES
            for count, of in [counts[rule.id]]
            if count > rule.above * of
        ],
    }


def _counts(
    examples: Mapping[str, np.ndarray], checks: Mapping[str, Any]
) -> dict[str, tuple[int, int]]:
    """By the rule's id: how many images of how many."""
    attacked, lost = was_attacked(examples), unanswered(examples)
    failed = attacked & (examples["success"] == 0)
    moved = examples["distortion"] > 0
    of_attacked = {
        "not_found": failed & ~moved,
        "not_confirmed": failed & moved,
        "not_finite_searches": (examples["status"] == "not finite") & ~lost,
        "evaluation_limit": examples["status"] == "evaluation limit",
    }
    found = attacked & (examples["success"] == 1)
    # Sets of schema 1 have no 8-bit images to lose.
    only_floats = found & (examples.get("success_uint8", examples["success"]) == 0)
    total, given = int(np.count_nonzero(attacked)), int(np.count_nonzero(~lost))
    return {
        "misclassified": (given - total, given),
        "not_finite_images": (len(lost) - given, len(lost)),
        "not_deterministic": (checks["differing_logits"], checks["checked"]),
        **{
            name: (checks[name], checks["checked"])
            for name in (
                "not_finite_logits",
                "not_finite_gradients",
                "zero_gradients",
                "flat_losses",
                "saturated_probabilities",
                "rounded_margins",
            )
        },
        **{name: (int(np.count_nonzero(rows)), total) for name, rows in of_attacked.items()},
        "lost_in_8_bits": (int(np.count_nonzero(only_floats)), int(np.count_nonzero(found))),
    }
