"""How hard to search: settings chosen by measurement (see benchmarks/)."""

from typing import NamedTuple

from tfblindspots.attacks.stages import REACH, REFINE, SEARCH, SearchSettings, Stage

# Curvature pairs: with a cheap network the history's memory traffic is the cost, with
# convolutions the network is.
_DENSE_PAIRS, _CONVOLUTION_PAIRS = 2, 6
# On images of more pixels than this the history's traffic counts again.
PHOTO = 20_000
_PHOTO_PAIRS = 3


class Effort(NamedTuple):
    """What is spent on an image."""

    direct: SearchSettings  # from the image itself
    noisy: SearchSettings  # from a noisy start
    noisy_starts: int  # at most so many
    noisy_for_all: bool  # not only where the direct search is misled or fails
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
    pairs = _CONVOLUTION_PAIRS if convolutional else _DENSE_PAIRS
    search = Stage(SEARCH, 15.0 if convolutional else 25.0)
    soft, reach = Stage(SEARCH, 4.0), Stage(REACH, 15.0)
    coarse = Stage(REFINE, 60.0, tolerance=0.15)
    fine = Stage(REFINE, 100.0, 0.12) if convolutional else Stage(REFINE, 200.0, 0.08)
    photo = pixels > PHOTO
    direct: tuple[Stage, ...]
    noisy_starts, limit = 2, 200
    if name == "fast" and not convolutional:
        pairs = 1
    if name == "fast" or (name == "standard" and convolutional and photo):
        direct, noisy = (Stage(SEARCH, 15.0), coarse), (reach, coarse)
        if photo:
            direct, pairs = (Stage(SEARCH, 15.0), Stage(REFINE, 60.0)), _PHOTO_PAIRS
    elif name == "standard":
        direct = (search, soft, fine) if convolutional else (search, fine)
        noisy = (reach, Stage(REFINE, 50.0))
    else:
        direct, noisy = (search, soft, fine), (reach, fine)
        noisy_starts, limit = 3, 1000
    return Effort(
        SearchSettings(pairs, direct, probe=convolutional),
        SearchSettings(pairs, noisy),
        noisy_starts=noisy_starts,
        noisy_for_all=name == "thorough",
        max_evaluations=limit,
    )
