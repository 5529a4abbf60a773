"""The rows of an error table: adversarial images, clean images, and images with noise."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from absl import logging

from tfblindspots.adversarial_sets import AdversarialSet
from tfblindspots.analysis import ImageSet, gaussian_noise
from tfblindspots.artifacts import fingerprint_arrays
from tfblindspots.attacks import amplify, rms_distortion
from tfblindspots.data import ImageDataset, Images, LazyImages, part_of


@dataclass(frozen=True)
class CleanImages:
    """Unchanged images; equal when the images are.

    Attributes:
      source: where they come from, for the name of a row.
      fingerprint: SHA-256 of the images, labels and indices.
      images: float32 [N, H, W, C] in [0, 1], in memory or read when needed.
      labels: int64 [N].
      indices: int64 [N], which key the noise.
    """

    source: str = field(compare=False)
    fingerprint: str
    images: Images = field(compare=False, repr=False)
    labels: np.ndarray = field(compare=False, repr=False)
    indices: np.ndarray = field(compare=False, repr=False)

    @classmethod
    def make(
        cls, source: str, images: np.ndarray, labels: np.ndarray, indices: np.ndarray
    ) -> "CleanImages":
        """Computes the fingerprint; arguments as the attributes."""
        fingerprint = fingerprint_arrays(images, labels, indices)
        return cls(source, fingerprint, images, labels, indices)

    @classmethod
    def of_dataset(cls, dataset: ImageDataset, count: int | None = None) -> "CleanImages":
        """The first ``count`` images of a dataset; None for all."""
        source, part = f"{dataset.name} {dataset.split}", slice(count)
        images = part_of(dataset.images, part)
        labels, indices = dataset.labels[part], dataset.indices[part]
        if isinstance(images, LazyImages):
            # Not to be read all for nothing: only originals of sets are compared.
            fingerprint = f"{dataset.fingerprint}[:{len(images)}]"
            return cls(source, fingerprint, images, labels, indices)
        return cls.make(source, images, labels, indices)

    @classmethod
    def of_adversarial_set(cls, adversarial_set: AdversarialSet) -> "CleanImages":
        """The images that a set's examples came from."""
        examples = adversarial_set.examples
        return cls.make(
            adversarial_set.name, examples["original"], examples["label"], examples["index"]
        )


def adversarial_images(adversarial_set: AdversarialSet, name: str) -> ImageSet:
    """A set's adversarial images, as a row called ``name``.

    The row's distortion is the mean over the images that are adversarial.
    """
    examples = adversarial_set.examples
    found = examples["distortion"][examples["success"] == 1]
    return ImageSet(
        name,
        examples["image"],
        examples["label"],
        float(np.mean(found, dtype=np.float64)) if found.size else 0.0,
        adversarial_set.manifest["model"]["name"],
    )


def amplified_images(adversarial_set: AdversarialSet, name: str, distortion: float) -> ImageSet:
    """A set's perturbations amplified to one distortion, as the row ``NAME, amplified to D``.

    The row's own distortion is what clipping to [0, 1] left, a mean over the same images as that of
    ``adversarial_images``: those that are misclassified to begin with have nothing to amplify.
    """
    plain = adversarial_images(adversarial_set, name)
    examples = adversarial_set.examples
    larger = np.count_nonzero(examples["distortion"] > distortion)
    if larger:
        logging.warning(
            "%d of %d perturbations of %s are larger than %g: they are made smaller, and no longer "
            "fool its model. Amplify to more.",
            larger,
            len(examples["distortion"]),
            name,
            distortion,
        )
    images = amplify(examples["original"], examples["image"], distortion)
    found = rms_distortion(examples["original"], images)[examples["success"] == 1]
    return dataclasses.replace(
        plain,
        name=f"{name}, amplified to {distortion:g}",
        images=images,
        distortion=float(found.mean()) if found.size else 0.0,
    )


def clean_and_noise(
    clean: CleanImages, noise_stddevs: Sequence[float], seed: int, name_source: bool = False
) -> Iterator[ImageSet]:
    """Clean images, then the same with Gaussian noise of each standard deviation.

    Args:
      clean: the images.
      noise_stddevs: in units of the pixel range; the distortion of such noise.
      seed: of the noise.
      name_source: say in the rows' names which images they are.
    """
    suffix = f" ({clean.source})" if name_source else ""
    yield ImageSet(f"clean images{suffix}", clean.images, clean.labels, 0.0, None)
    for stddev in noise_stddevs:
        noisy = _noisy(clean, stddev, seed)
        yield ImageSet(f"Gaussian noise {stddev:g}{suffix}", noisy, clean.labels, stddev, None)


def _noisy(clean: CleanImages, stddev: float, seed: int) -> Images:
    images, indices = clean.images, clean.indices
    if isinstance(images, np.ndarray):
        return gaussian_noise(images, stddev, seed=seed, indices=indices)

    # An image's noise depends on its index alone: it may be drawn when the image is read.
    def read(rows: np.ndarray) -> np.ndarray:
        return gaussian_noise(images[rows], stddev, seed=seed, indices=indices[rows])

    return LazyImages(read, np.arange(len(images)), images.shape[1:])
