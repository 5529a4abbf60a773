"""How hard to search: settings chosen by measurement; what they give stands in benchmarks/."""

import dataclasses
from typing import NamedTuple

from tfblindspots.attacks.stages import REACH, REFINE, SEARCH, SearchSettings, Stage

# Images of more pixels than this are photos to us.
PHOTO = 20_000
# The number of curvature pairs: with a cheap network the history's memory traffic is the cost.
_DENSE_PAIRS, _CONVOLUTION_PAIRS, _PHOTO_PAIRS = 2, 4, 3


class Effort(NamedTuple):
    """What is spent on an image."""

    direct: SearchSettings  # from the image itself
    noisy: SearchSettings  # from a noisy start
    noisy_for_all: int  # so many noisy starts for every image
    noisy_starts: int  # at most so many while nothing has been found
    max_evaluations: int  # of value and gradient, an image


def choose_effort(name: str, convolutional: bool, pixels: int) -> Effort:
    """The settings of an effort: ``"fast"``, ``"standard"`` or ``"thorough"``.

    The loss is soft first and sharp at the end. A softer second search finds other minima where
    there are many, behind ReLU and max-pooling; smooth dense networks hardly have any, and on
    photos the perturbation is so small that a convolutional network is almost linear along it.

    Args:
      name: of the effort.
      convolutional: whether the model has convolutions.
      pixels: of an image.
    """
    reach, coarse = Stage(REACH, 15.0), Stage(REFINE, 60.0, tolerance=0.15)
    if not convolutional:
        direct, noisy = _dense(name, reach)
    elif name == "fast":
        direct = SearchSettings(_CONVOLUTION_PAIRS, (Stage(SEARCH, 6.0), coarse))
        noisy = SearchSettings(_CONVOLUTION_PAIRS, (reach, Stage(REFINE, 50.0)))
    elif name == "standard" and pixels > PHOTO:
        direct = SearchSettings(_PHOTO_PAIRS, (Stage(SEARCH, 6.0), coarse), near=1.05)
        noisy = SearchSettings(_PHOTO_PAIRS, (reach, coarse))
    else:
        fine = Stage(REFINE, 80.0, tolerance=0.1)
        searches = Stage(SEARCH, 12.0, tolerance=0.25), Stage(SEARCH, 5.0, tolerance=0.25)
        stages = (*searches, fine)
        direct = SearchSettings(_CONVOLUTION_PAIRS, stages, pace=1.2, near=1.0, max_solve=12)
        refine = fine if name == "thorough" else Stage(REFINE, 50.0)
        noisy = SearchSettings(_CONVOLUTION_PAIRS, (reach, refine))
    return Effort(
        dataclasses.replace(direct, probe=convolutional),
        noisy,
        noisy_for_all=3 if name == "thorough" else 0,
        noisy_starts=12 if name == "thorough" else 4,
        max_evaluations=1000 if name == "thorough" else 200,
    )


def _dense(name: str, reach: Stage) -> tuple[SearchSettings, SearchSettings]:
    search, fine = Stage(SEARCH, 15.0), Stage(REFINE, 200.0, tolerance=0.04)
    stages: tuple[Stage, ...] = (search, Stage(REFINE, 60.0, tolerance=0.15), fine)
    if name == "fast":
        stages = (search, Stage(REFINE, 60.0, tolerance=0.1))
    elif name == "thorough":
        stages = (search, Stage(SEARCH, 4.0), *stages[1:])
    pairs = 1 if name == "fast" else _DENSE_PAIRS
    return SearchSettings(pairs, stages), SearchSettings(pairs, (reach, stages[-1]))
