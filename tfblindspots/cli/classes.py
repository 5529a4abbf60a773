"""The classes that the shared flags choose."""

from typing import TYPE_CHECKING

from absl import flags

if TYPE_CHECKING:
    from tfblindspots.data import ImageDataset


def choose_classes(dataset: "ImageDataset") -> "ImageDataset":
    """The dataset as ``--positive_class`` and ``--only_class`` say, where a script has them.

    Raises:
      InputError: the dataset has no such class, or no image of it.
    """
    from tfblindspots.data import one_against_rest, only_class

    chosen = flags.FLAGS.flag_values_dict()
    if chosen.get("positive_class"):
        dataset = one_against_rest(dataset, chosen["positive_class"])
    if chosen.get("only_class"):
        dataset = only_class(dataset, chosen["only_class"])
    return dataset
