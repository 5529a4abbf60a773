"""A dataset's split, or of it only what is asked for."""

from tfblindspots.data.dataset import ImageDataset
from tfblindspots.data.one_against_rest import one_against_rest, only_class
from tfblindspots.data.registry import load_dataset


def load_selected(
    name: str,
    split: str,
    data_dir: str | None = None,
    *,
    image_size: tuple[int, int] | None = None,
    short_side: int | None = None,
    positive: str | None = None,
    only: str | None = None,
    progress: bool = False,
) -> ImageDataset:
    """Loads a dataset's split, with two classes of the many or with one class's images alone.

    Args:
      name: as for ``load_dataset``, and so on.
      split: which images.
      data_dir: where TFDS keeps its datasets.
      image_size: height and width, pixels.
      short_side: of the scaled images before they are cropped, pixels.
      positive: the name of the class that is class 1 against the rest; None for all classes.
      only: the name of the class whose images alone are taken; None for all images.
      progress: as for ``load_dataset``.

    Raises:
      InputError: as ``load_dataset``, ``one_against_rest`` and ``only_class``.
    """
    dataset = load_dataset(
        name, split, data_dir, image_size=image_size, short_side=short_side, progress=progress
    )
    if positive is not None:
        dataset = one_against_rest(dataset, positive)
    return dataset if only is None else only_class(dataset, only)
