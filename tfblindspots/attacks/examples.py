"""What an attack is asked for and what it returns."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tfblindspots.errors import InputError
from tfblindspots.solvers import DISTANCES

SOLVERS = ("lbfgs", "tfp")
EFFORTS = ("fast", "standard", "thorough")
AUTO = "auto"
TARGETS = ("random", "untargeted", "most_likely", "least_likely", "all")


@dataclass(frozen=True)
class AttackConfig:
    """How to attack.

    Attributes:
      target: the class to reach. ``"random"``: any that is neither the true nor the predicted one;
        ``"untargeted"``: whichever other than the true one is nearest to reach;
        ``"most_likely"``, ``"least_likely"``: by the model's logits, other than the true one;
        ``"all"``: every other class in turn, the nearest result is kept; or a class number.
      norm: of the perturbation r that is minimised. ``"squared_l2"``: ``c |r|^2 + loss``;
        ``"l2"``: ``c |r| + loss``, as the paper writes it (section 4.1).
      solver: ``"lbfgs"``: this project's batched box-constrained L-BFGS; ``"tfp"``:
        ``tfp.optimizer.lbfgs_minimize`` with the box by clipping, to compare with.
      effort: of ``"lbfgs"``: ``"fast"``, for training with adversarial examples; ``"standard"``;
        ``"thorough"``, several starts an image. More usually finds nearer images.
      batch_size: images in work at a time, above 64 rounded up to a multiple of 16; bounds the
        memory, some (20 + 2 x curvature pairs) x 4 bytes x batch_size x pixels, and the model's
        own. None: 256, of images with more than 20,000 pixels 16. ``"auto"``: by the memory that
        is free, see ``choose_batch_size``. Halved where memory runs out.
      max_evaluations: of value and gradient, an image (and a class, with ``"all"``). None: 200;
        1,000 for the effort ``"thorough"``; 5,000 for ``"tfp"``, whose line search runs in lockstep
        and which may pass its limit by what one value of c takes.
      seed: of random targets and noisy starts.
      xla: compile the model with XLA. None: where it was measured to help, that is everywhere but
        for convolutions on a CPU.
      bits: None: the images are floats, each with an 8-bit image beside it. 8: what is sought, and
        what ``image`` holds, is the nearest 8-bit image; more is spent on it.
    """

    target: str = "random"
    norm: str = "squared_l2"
    solver: str = "lbfgs"
    effort: str = "standard"
    batch_size: int | str | None = None
    max_evaluations: int | None = None
    seed: int = 0
    xla: bool | None = None
    bits: int | None = None

    def __post_init__(self) -> None:
        """Rejects what is not on the lists above."""
        known = isinstance(self.target, str)
        if not known or (self.target not in TARGETS and not self.target.isdecimal()):
            raise InputError(
                f"target is {self.target!r}; expected {', '.join(TARGETS)} or a class "
                "number, as text."
            )
        if self.norm not in DISTANCES:
            raise InputError(f"norm is {self.norm!r}; expected {' or '.join(DISTANCES)}.")
        if self.solver not in SOLVERS:
            raise InputError(f"solver is {self.solver!r}; expected {' or '.join(SOLVERS)}.")
        if self.effort not in EFFORTS:
            raise InputError(f"effort is {self.effort!r}; expected {', '.join(EFFORTS)}.")
        if self.bits not in (None, 8):
            raise InputError(f"bits is {self.bits!r}; expected 8, or None for floats.")
        for name, lowest in (("batch_size", 1), ("max_evaluations", 10), ("seed", 0)):
            value = getattr(self, name)
            if (value is None and name != "seed") or (name == "batch_size" and value == AUTO):
                continue
            if not isinstance(value, int | np.integer) or not lowest <= value < 1 << 31:
                choice = ", or auto" if name == "batch_size" else ""
                raise InputError(
                    f"{name} is {value}; expected a whole number from {lowest} to 2147483647"
                    f"{choice}."
                )


class FloatExamples(NamedTuple):
    """N attacked images whose pixels are any numbers in [0, 1]."""

    image: np.ndarray  # float32 [N, H, W, C] in [0, 1]: adversarial; the original where none found
    original: np.ndarray  # float32 [N, H, W, C] in [0, 1]: the array that was given
    label: np.ndarray  # int64 [N]: true class
    original_prediction: np.ndarray  # int64 [N]: the model's class of the original
    prediction: np.ndarray  # int64 [N]: the model's class of the image as stored
    target: np.ndarray  # int64 [N]: class aimed at, -1 where there was none
    success: np.ndarray  # int64 [N], 0 or 1: recomputed on the image as stored
    # int64 [N]: position in the source split. Hides tuple.index, which nobody needs here.
    index: np.ndarray  # type: ignore[assignment]
    c: np.ndarray  # float32 [N]: weight of the distortion at the class boundary
    distortion: np.ndarray  # float32 [N]: root mean square change per pixel
    l2: np.ndarray  # float32 [N]: norm of the change
    linf: np.ndarray  # float32 [N]: largest change of a pixel
    evaluations: np.ndarray  # int64 [N]: evaluations of the model spent on it, over all its classes
    status: np.ndarray  # str [N]: why the search ended


class EightBitExamples(NamedTuple):
    """What 8-bit images, one for each of N attacked images, come to."""

    # uint8 [N, H, W, C]: adversarial; the rounded original where none was found
    image_uint8: np.ndarray
    prediction_uint8: np.ndarray  # int64 [N]: the model's class of image_uint8 / 255
    success_uint8: np.ndarray  # int64 [N], 0 or 1: recomputed on image_uint8 as stored
    distortion_uint8: np.ndarray  # float32 [N]: root mean square of image_uint8 / 255 - original


class AdversarialExamples(NamedTuple):
    """N attacked images with their 8-bit companions; the fields are those of an adversarial set.

    They are those of ``FloatExamples`` and ``EightBitExamples``, in a set's order.
    """

    image: np.ndarray
    original: np.ndarray
    image_uint8: np.ndarray
    label: np.ndarray
    original_prediction: np.ndarray
    prediction: np.ndarray
    target: np.ndarray
    success: np.ndarray
    index: np.ndarray  # type: ignore[assignment]
    c: np.ndarray
    distortion: np.ndarray
    l2: np.ndarray
    linf: np.ndarray
    prediction_uint8: np.ndarray
    success_uint8: np.ndarray
    distortion_uint8: np.ndarray
    evaluations: np.ndarray
    status: np.ndarray
