"""Robust accuracy at every radius, from the minimum distortions that an attack found."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tfblindspots.errors import InputError

# Why a search ended that had nothing left to try. Any other reason leaves the distance open.
_COMPLETE = ("converged", "already misclassified")
_FIELDS = ("label", "original_prediction", "success", "l2", "status")


def robust_accuracy(examples: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The share of images still classified correctly when any change up to a radius is allowed.

    This is accuracy against the size of the perturbation, for which Carlini et al., *On Evaluating
    Adversarial Robustness* (arXiv:1902.06705), ask; an attack that minimises the distortion gives
    the whole curve at once. It is an exact step function, without a grid: an image falls at the L2
    distance of the adversarial image found, a misclassified original at 0, and one for which none
    was found never.

    An attack gives an upper bound: an adversarial image nearer than the one it found may exist, and
    after a targeted attack one of another class often does. The band below it shows one part of
    that doubt: its lower edge counts images as fallen at every radius above 0 when their search
    ended without convergence (such as at the limit on evaluations) or left no adversarial image.
    The lower edge is no certificate: a converged search, too, ends at a local minimum.

    Args:
      examples: fields of an adversarial set by name, each [N] with N at least 1: ``label``,
        ``original_prediction``, ``success``, ``l2``, ``status``.

    Returns:
      JSON-ready: ``count``, images; ``correct``, originals classified correctly; ``found``, those
      of them with an adversarial image; ``open``, those of them whose distance the attack left
      open, which make the band; ``median_radius``, the smallest radius at which the upper edge is
      at most 1/2, None where it stays above; and the steps, K numbers each: ``radii``, L2 norm in
      units of the pixel range, ascending from 0 without repeats; ``upper``, the upper edge, in
      [0, 1], from that radius (included) to the next (excluded); ``lower``, the lower edge
      likewise, save that the first number holds for radii above 0. At 0 itself the two edges are
      one, ``upper[0]``, the accuracy on the originals.

    Raises:
      InputError: the fields are not one value for each of at least one image, or a distance is
        negative or not finite.
    """
    shapes = {name: examples[name].shape for name in _FIELDS}
    if len(set(shapes.values())) != 1 or len(shapes["l2"]) != 1 or not examples["l2"].size:
        described = ", ".join(f"{name} {list(shape)}" for name, shape in shapes.items())
        raise InputError(
            f"the fields of the examples have the shapes {described}; expected one value of each "
            "for every image, and at least one image."
        )
    l2 = examples["l2"].astype(np.float64)
    if not (np.isfinite(l2) & (l2 >= 0)).all():
        raise InputError("an l2 is negative or not finite; expected distances of at least 0.")
    correct = examples["label"] == examples["original_prediction"]
    found = examples["success"] == 1
    is_open = correct & ~(found & np.isin(examples["status"].astype(str), _COMPLETE))
    fallen_at = np.where(correct, np.where(found, l2, np.inf), 0.0)
    radii = np.unique(np.append(0.0, fallen_at[np.isfinite(fallen_at)]))
    upper = _share_above(fallen_at, radii)
    falls = np.flatnonzero(upper <= 0.5)
    return {
        "count": len(l2),
        "correct": int(np.count_nonzero(correct)),
        "found": int(np.count_nonzero(correct & found)),
        "open": int(np.count_nonzero(is_open)),
        "median_radius": float(radii[falls[0]]) if falls.size else None,
        "radii": radii.tolist(),
        "upper": upper.tolist(),
        "lower": _share_above(np.where(is_open, 0.0, fallen_at), radii).tolist(),
    }


def accuracy_at(
    curve: Mapping[str, Any], radii: Sequence[float] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Reads the edges of a robust-accuracy curve off at any radii.

    Args:
      curve: what ``robust_accuracy`` returned.
      radii: [M], L2 norm in units of the pixel range, at least 0.

    Returns:
      The lower and the upper edge, float64 [M] in [0, 1] each.

    Raises:
      InputError: a radius is negative or NaN.
    """
    at = np.asarray(radii, np.float64)
    if not (at >= 0).all():
        raise InputError("a radius is negative or not a number; expected numbers of at least 0.")
    steps = np.searchsorted(curve["radii"], at, side="right") - 1
    upper = np.asarray(curve["upper"])[steps]
    return np.where(at > 0, np.asarray(curve["lower"])[steps], upper), upper


def _share_above(distances: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """The share of the distances [N] that are above each radius, [K]."""
    fallen = np.searchsorted(np.sort(distances), radii, side="right")
    return (len(distances) - fallen) / len(distances)
