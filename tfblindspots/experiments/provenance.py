"""Whether a set was made for the very model that bears its model's name."""

from collections.abc import Sequence

from absl import logging

from tfblindspots.adversarial_sets import AdversarialSet
from tfblindspots.models import Classifier

_SHOWN = 12  # digits of a fingerprint


def warn_of_namesakes(adversarial_set: AdversarialSet, classifiers: Sequence[Classifier]) -> None:
    """Warns where a set was made for a model of the same name as one of these, but not for it.

    Sets may be shown to any model, but one that was trained again under the same name is easily
    taken for the one that the set was made for.
    """
    made_for = adversarial_set.manifest.get("model", {})
    fingerprint = made_for.get("fingerprint")
    if fingerprint is None or fingerprint in [other.fingerprint for other in classifiers]:
        return
    weights = made_for.get("weights_fingerprint")
    for classifier in classifiers:
        if classifier.name != made_for.get("name"):
            continue
        if weights is not None and weights == classifier.weights_fingerprint:
            logging.info(
                "Set %s was made for the weights of model %s, which were exported again since or "
                "are used with other settings.",
                adversarial_set.name,
                classifier.name,
            )
        else:
            logging.warning(
                "Set %s was made for another model %s than this one (fingerprint %s there, %s "
                "here): it was trained again since, or is used with other settings. What is "
                "measured on the set is of images made for another model.",
                adversarial_set.name,
                classifier.name,
                fingerprint[:_SHOWN],
                classifier.fingerprint[:_SHOWN],
            )
