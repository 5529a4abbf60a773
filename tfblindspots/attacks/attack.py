"""The attack: images in, minimum-distortion adversarial images, as floats and in 8 bits, out."""

from collections.abc import Callable

import numpy as np

from tfblindspots.attacks.amplification import perturbation_sizes
from tfblindspots.attacks.eight_bit import find_eight_bit
from tfblindspots.attacks.examples import AdversarialExamples, AttackConfig
from tfblindspots.attacks.float_attack import NOT_FOUND, find_float_examples
from tfblindspots.data import Images, from_uint8, in_memory
from tfblindspots.models import Classifier


def find_adversarial_examples(
    classifier: Classifier,
    images: Images,
    labels: np.ndarray,
    config: AttackConfig = AttackConfig(),  # noqa: B008 - frozen
    *,
    indices: np.ndarray | None = None,
    progress: Callable[[int], object] | None = None,
) -> AdversarialExamples:
    """Finds the nearest adversarial image of each image, and the nearest of 8 bits beside it.

    The first is that of ``find_float_examples`` (Szegedy et al. 2013, section 4.1), the second that
    of ``find_eight_bit``. With ``bits=8`` in the configuration both are the second: ``image`` is
    its float32, and ``prediction``, ``success`` and the sizes of the change are of that.

    Args:
      classifier: the model under attack.
      images: float32 [N, H, W, C] in [0, 1]; never modified. Such as are read when needed are read
        all: take ``images[part]`` of many.
      labels: true classes, int [N].
      config: the attack.
      indices: positions in the source split, int64 [N], on which random targets and noisy
        starts depend; of a dataset of ``load_dataset``, its ``indices``. None: 0, 1, 2, ...
      progress: called now and then with the number of images done so far.

    Returns:
      The examples, in the order of the images.

    Raises:
      InputError: as ``find_float_examples``, or the images do not fit in memory.
    """
    images = in_memory(images, "an attack in one call")
    found = find_float_examples(
        classifier, images, labels, config, indices=indices, progress=progress
    )
    eight_bit = find_eight_bit(classifier, found, config)
    if config.bits == 8:
        image = from_uint8(eight_bit.image_uint8)
        lost = (found.success == 1) & (eight_bit.success_uint8 == 0)
        found = found._replace(
            image=image,
            prediction=eight_bit.prediction_uint8,
            success=eight_bit.success_uint8,
            status=np.where(lost, NOT_FOUND, found.status),
            **perturbation_sizes(images, image),
        )
    return AdversarialExamples(**found._asdict(), **eight_bit._asdict())
