"""What other processes need to make shards of a set that this one has claimed."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from tfblindspots import runtime
from tfblindspots.data import ImageDataset
from tfblindspots.experiments.shards import Shards
from tfblindspots.models import Classifier


@dataclasses.dataclass(frozen=True)
class Inputs:
    """How another process loads the model and the images; can be pickled, as ``partial``s can.

    Attributes:
      classifier: loads the model.
      dataset: loads the images.
    """

    classifier: Callable[[], Classifier]
    dataset: Callable[[], ImageDataset]


@dataclasses.dataclass(frozen=True)
class Work:
    """A set under way, as another process opens it; can be pickled.

    Attributes:
      directory: of the set.
      inputs: its model and its images.
      seed: of the attack.
      deterministic: whether TensorFlow's operations are to be deterministic.
    """

    directory: Path
    inputs: Inputs
    seed: int
    deterministic: bool

    @classmethod
    def of(cls, shards: Shards, inputs: Inputs) -> "Work":
        """That of a set under way, in a process that settles things as this one did."""
        return cls(
            shards.directory.absolute(), inputs, shards.config.seed, runtime.is_deterministic()
        )

    def open(self) -> Shards:
        """The shards, in a process that has computed nothing yet.

        Raises:
          InputError: the model or the images cannot be loaded, or are others than those of the set.
        """
        runtime.prepare_gpus()
        if self.deterministic:
            runtime.make_deterministic(self.seed)
        return Shards.under_way(self.directory, self.inputs.classifier(), self.inputs.dataset())
