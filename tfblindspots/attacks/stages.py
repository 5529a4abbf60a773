"""The stages that an image's search runs through, and what each is allowed."""

from dataclasses import dataclass

# How a stage begins and moves.
SEARCH, REACH, REFINE = range(3)


@dataclass(frozen=True)
class Stage:
    """A part of the search.

    Attributes:
      kind: ``SEARCH`` over c, from the image; ``REACH`` the boundary by normalised gradients from a
        noisy point; ``REFINE`` the nearest adversarial point so far, by a search over c from there.
      sharpness: of the loss, times the margin of the original.
      tolerance: x is taken for the minimiser at a c when its projected gradient is below this share
        of the loss's gradient.
    """

    kind: int
    sharpness: float
    tolerance: float = 0.3


@dataclass(frozen=True)
class SearchSettings:
    """What the search does with an image, and when it stops."""

    pairs: int  # curvature pairs kept
    stages: tuple[Stage, ...]
    # Begin with a short step, and leave an image to another search if the loss misleads there.
    probe: bool = False
    # c is raised by at most this factor at a time. In small steps its minimiser is followed to the
    # boundary, nearer where there are many; in large ones with fewer evaluations.
    pace: float = 8.0
    # A search over c ends when the c foretold is within this factor; 1: only by its bracket.
    near: float = 1.1
    # ... or when the ratio of its bracket's ends is below this.
    bracket_ratio: float = 2.0
    # Evaluations spent on one value of c at most.
    max_solve: int = 20
    # Values of c tried without an adversarial minimiser before a stage is given up.
    max_misses: int = 6

    @property
    def noisy(self) -> bool:
        """Whether it starts from noise."""
        return self.stages[0].kind == REACH
