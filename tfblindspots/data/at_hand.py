"""Which names of datasets may be loaded although somebody else gives them."""

import re

import tensorflow_datasets as tfds

from tfblindspots.data.download import quietly
from tfblindspots.data.registry import DATASETS

# Neither a path nor one of the namespaces, such as huggingface:, that TFDS looks up elsewhere.
_PLAIN = re.compile(r"[A-Za-z]\w*(/\w+)?(:\d+\.\d+\.\d+)?")


def is_at_hand(name: str, data_dir: str | None = None) -> bool:
    """Whether a name is that of a dataset of this package, or of one that TFDS has prepared here.

    Loading it opens no file but its own, and no connection.

    Args:
      name: as for ``load_dataset``; from a stranger's file.
      data_dir: as for ``load_dataset``.
    """
    if name in DATASETS:
        return True
    if not _PLAIN.fullmatch(name):
        return False
    try:
        with quietly():
            return tfds.builder(name, data_dir=data_dir).is_prepared()
    # Not known, or not so; a name can lead to any dataset's own code, which raises what it likes.
    except Exception:
        return False
