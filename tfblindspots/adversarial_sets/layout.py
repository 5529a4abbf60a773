"""How a set is divided into files, and what TensorFlow Datasets needs to know about them."""

import dataclasses
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from tfblindspots.adversarial_sets.schema import SCHEMA, Field, fields_of
from tfblindspots.errors import InputError

# The name under which TensorFlow Datasets knows every set, and the beginning of its files' names.
DATASET_NAME = "adversarial_set"
# What TFDS keeps beside the shards.
METADATA_FILES = ("dataset_info.json", "features.json", "*.labels.txt")
_DESCRIPTION = (
    "Adversarial images of minimum distortion, each with the image it came from. "
    "manifest.json says which model they were made for, and how."
)
_CITATION = """@article{szegedy2013intriguing,
  title={Intriguing properties of neural networks},
  author={Szegedy, Christian and Zaremba, Wojciech and Sutskever, Ilya and Bruna, Joan and
          Erhan, Dumitru and Goodfellow, Ian and Fergus, Rob},
  journal={arXiv preprint arXiv:1312.6199},
  year={2013}
}"""


@dataclass(frozen=True)
class Layout:
    """What the files of a set depend on, besides the examples themselves.

    Attributes:
      image_shape: height, width and channels of an image.
      class_names: names of the classes, by number.
      source_split: the split that the images come from, which the set's only split is named after.
      num_examples: examples in the whole set.
      shard_size: examples in a file; the last one may hold fewer.
    """

    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    source_split: str
    num_examples: int
    shard_size: int

    def __post_init__(self) -> None:
        if len(self.image_shape) != 3 or min(self.image_shape) < 1:
            raise InputError(
                f"image_shape is {list(self.image_shape)}; expected height, width and channels."
            )
        names = self.class_names
        if not names:
            raise InputError("class_names hold no name; expected a name for each class.")
        if len(set(names)) < len(names) or not all(name and name.isprintable() for name in names):
            raise InputError(
                "class_names are empty, repeated or of several lines; expected a name for each "
                "class, all different."
            )
        if not re.fullmatch(r"[A-Za-z]\w*", self.source_split):
            raise InputError(
                f"source_split {self.source_split!r} cannot name a split; expected letters, digits "
                "and underscores, such as 'train'."
            )
        for name in ("num_examples", "shard_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; expected at least 1.")

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any], path: str | os.PathLike[str]) -> "Layout":
        """Reads what `to_manifest` wrote.

        Args:
          manifest: the manifest of a set, or whatever else holds a layout's keys.
          path: where it was read from, for the message.

        Raises:
          InputError: keys are missing.
        """
        try:
            return cls(
                image_shape=tuple(manifest["image_shape"]),
                class_names=tuple(manifest["class_names"]),
                source_split=manifest["source_split"],
                num_examples=manifest["num_examples"],
                shard_size=manifest["shard_size"],
            )
        except KeyError as error:
            raise InputError(f"{path} lacks {error}; make the adversarial set again.") from None
        except TypeError:
            raise InputError(
                f"{path} has values of other types than those of an adversarial set; copy the set "
                "again, or make it again."
            ) from None

    def to_manifest(self) -> dict[str, Any]:
        """The attributes by name, as JSON gives them back."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    @property
    def num_shards(self) -> int:
        """The number of files that the examples fill."""
        return -(-self.num_examples // self.shard_size)

    def shard_range(self, shard: int) -> tuple[int, int]:
        """The positions of a shard's examples: from the first up to, without, the last."""
        assert 0 <= shard < self.num_shards, f"there are {self.num_shards} shards, not {shard + 1}"
        first = shard * self.shard_size
        return first, min(first + self.shard_size, self.num_examples)

    def shard_count(self, shard: int) -> int:
        """How many examples a shard holds."""
        first, last = self.shard_range(shard)
        return last - first

    def shard_paths(self, directory: Path) -> list[Path]:
        """Where in a set's directory the shards lie, by the convention of TFDS."""
        return list(map(Path, self._template(directory).sharded_filepaths(self.num_shards)))

    @property
    def shard_pattern(self) -> str:
        """Glob pattern of the shards' names."""
        return self._template(Path()).glob_pattern(self.num_shards)

    def write_tfds_metadata(
        self, directory: Path, *, shards: Path | None = None, schema: int = SCHEMA
    ) -> None:
        """Writes what ``tfds.builder_from_directory`` reads beside the shards.

        Args:
          directory: where it goes.
          shards: where all shards are; None for the same directory.
          schema: of the set.
        """
        ranges = [self.shard_range(shard) for shard in range(self.num_shards)]
        # TFDS counts the examples' bytes, without the 16 in which TFRecord frames each of them.
        file_bytes = sum(path.stat().st_size for path in self.shard_paths(shards or directory))
        split = tfds.core.SplitInfo(
            name=self.source_split,
            shard_lengths=[last - first for first, last in ranges],
            num_bytes=file_bytes - 16 * self.num_examples,
            filename_template=self._template(directory),
        )
        tfds.folder_dataset.write_metadata(
            data_dir=directory,
            features=tfds.features.FeaturesDict(
                {field.name: self._feature(field) for field in fields_of(schema)}
            ),
            split_infos=[split],
            version=f"{schema}.0.0",
            # Its check builds a pipeline to read one example: up to seconds, for what tests show.
            check_data=False,
            description=_DESCRIPTION,
            citation=_CITATION,
            supervised_keys=("image", "label"),
        )

    def _template(self, directory: Path) -> tfds.core.ShardedFileTemplate:
        return tfds.core.ShardedFileTemplate(
            data_dir=directory,
            dataset_name=DATASET_NAME,
            split=self.source_split,
            filetype_suffix="tfrecord",
        )

    def _feature(self, field: Field) -> tfds.features.FeatureConnector:
        document = tfds.features.Documentation(desc=field.description)
        if field.dtype == object:
            return tfds.features.Text(doc=document)
        # -1 is no class, so a field that may hold it is a number to TFDS.
        if field.is_class and field.minimum == 0:
            return tfds.features.ClassLabel(names=list(self.class_names), doc=document)
        shape = self.image_shape if field.is_image else ()
        # A Tensor is stored as it is; the Image feature would pack it into a PNG. TFDS itself would
        # make a list of 64-bit integers of 8-bit numbers.
        encoding = "bytes" if field.dtype == np.uint8 else "none"
        return tfds.features.Tensor(
            shape=shape, dtype=np.dtype(field.dtype), encoding=encoding, doc=document
        )
