"""Trains a network with adversarial pools, measures it, exports it and its pools (E7)."""

import dataclasses
import functools
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tfblindspots.adversarial_sets import write_adversarial_set
from tfblindspots.analysis import error_rate, summarize_distortions
from tfblindspots.artifacts import (
    MANIFEST,
    build_manifest,
    read_json,
    read_manifest,
    write_json,
)
from tfblindspots.attacks import AttackConfig, find_adversarial_examples
from tfblindspots.data import ImageDataset, in_memory
from tfblindspots.errors import InputError
from tfblindspots.experiments.jobs import Job
from tfblindspots.experiments.training import describe, export_network
from tfblindspots.experiments.training_board import training_board
from tfblindspots.models import ASSETS, Classifier, get_definition, predict_classes
from tfblindspots.reports.reading import RESULTS
from tfblindspots.training import (
    CHECKPOINTS,
    IMAGES,
    AdversarialPool,
    Checkpoints,
    Follow,
    LayerChain,
    PoolConfig,
    Progress,
    Regularization,
    fit_with_pools,
    make_pools,
    places,
)

SAVED_MODEL = "saved_model"
POOLS = "pools"


@dataclass(frozen=True)
class PoolTrainingConfig:
    """What a network trained with pools depends on, besides its data.

    Attributes:
      model: a name that ``get_definition`` knows; a chain of layers, such as ``"fc100-100-10"``.
      layers: whose outputs have a pool: ``"images"`` and names of hidden layers. None: the
        images and every layer of sigmoid units.
      pool: what each pool holds.
      regularization: besides pools; the definition's own weight decays and dropout have no part
        in it.
      seed: of the initial weights and of every draw.
      epochs: passes over the images; None: 40, more for small datasets.
      num_examples: attack the first test images only, to measure distortions; None for all.
    """

    model: str
    layers: tuple[str, ...] | None = None
    pool: PoolConfig = field(default_factory=PoolConfig)
    regularization: Regularization = field(default_factory=Regularization)
    seed: int = 0
    epochs: int | None = None
    num_examples: int | None = None


def train_with_pools(
    config: PoolTrainingConfig,
    train_set: ImageDataset,
    test_set: ImageDataset,
    output_dir: str | os.PathLike[str],
    *,
    tensorboard_dir: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Trains a network with pools, or finds it already there.

    Args:
      config: the network and how it is trained.
      train_set: images that it is trained on.
      test_set: images that it is measured on: error, and minimum distortion, untargeted.
      output_dir: gets ``saved_model``, each pool as the adversarial set ``pools/LAYER``,
        ``results.json`` and ``manifest.json``.
      tensorboard_dir: see ``train_network``.
      progress: show progress bars.

    Returns:
      What ``results.json`` holds: ``train_error`` and ``test_error`` (``ErrorRate`` as a
      dictionary), ``distortion`` (see ``summarize_distortions``), ``curve`` with the ``loss`` and
      the ``test_error`` after each epoch, ``pools`` with what each of them held and cost,
      ``steps`` and ``seconds``.

    Raises:
      InputError: the model or a layer is unknown, or the model is trained in parts; the pools would
        not fit in memory; the images do not fit the model; the directory holds other
        files or results of other settings.
    """
    definition = get_definition(config.model)
    if definition.trainer == "autoencoder":
        raise InputError(
            f"model {config.model} has a code that is trained without labels, before anything "
            "else; expected a network that is trained as a whole, such as fc100-100-10 or conv."
        )
    height, width, channels = train_set.images.shape[1:]
    shape = (height, width, channels), train_set.num_classes
    chain = _chain(config.model, *shape)
    chain.model.set_weights(definition.build(*shape, config.seed).get_weights())
    layers = tuple(dict.fromkeys(places(chain) if config.layers is None else config.layers))
    pools = make_pools(chain, layers, config.pool, len(train_set.labels))
    directory = Path(output_dir)
    job = Job(
        directory,
        "pool_training",
        _flags(config, layers, train_set, test_set),
        {"train_set": describe(train_set), "test_set": describe(test_set)},
    )
    with training_board(tensorboard_dir, job, train_set, test_set) as board:
        if job.finished(parts=[RESULTS, SAVED_MODEL]):
            results = read_json(directory / RESULTS)
            filled = [place for place, notes in results["pools"].items() if notes["size"]]
            job.finished(parts=[f"{POOLS}/{place}" for place in filled])
        else:
            follow = board.follow if board else lambda progress: None
            results = _train(config, chain, pools, (train_set, test_set), job, follow, progress)
        if board is not None:
            network = directory / SAVED_MODEL
            board.finish(network, read_manifest(network / ASSETS, "saved_model"))
    return results


def _train(
    config: PoolTrainingConfig,
    chain: LayerChain,
    pools: Sequence[AdversarialPool],
    sets: tuple[ImageDataset, ImageDataset],
    job: Job,
    follow: Follow,
    progress: bool,
) -> dict[str, Any]:
    directory, (train_set, test_set) = job.directory, sets
    images = in_memory(train_set.images, "training with pools")
    checkpoints = Checkpoints(directory)
    with job.claim(allowed=[SAVED_MODEL, POOLS, RESULTS, CHECKPOINTS]) as notes:
        # What was made of an interrupted training is made again.
        for name in (SAVED_MODEL, POOLS):
            shutil.rmtree(directory / name, ignore_errors=True)
        classifier = chain.classifier(IMAGES)
        curve: list[dict[str, float]] = notes.get("curve", [])

        def after_epoch(reached: Progress) -> None:
            predictions = predict_classes(classifier, test_set.images)
            error = error_rate(predictions, test_set.labels).rate
            # It may be longer than the training that goes on has come.
            curve[reached.done - 1 :] = [{"loss": reached.loss, "test_error": error}]
            job.note({"curve": curve})
            follow(reached)

        try:
            trained = fit_with_pools(
                chain,
                images,
                train_set.labels,
                pools,
                config.regularization,
                seed=config.seed,
                epochs=config.epochs,
                checkpoints=checkpoints,
                follow=after_epoch,
                progress=progress,
            )
        except InputError:
            checkpoints.remove()  # A rerun would not get farther.
            raise
        start = time.perf_counter() - trained.seconds
        exported = export_network(
            directory / SAVED_MODEL,
            dataclasses.replace(get_definition(config.model), weight_decays={}, trainer="pools"),
            trained,
            train_set,
            test_set,
            flags=job.flags,
            inputs=job.inputs,
        )
        results = {
            "flags": job.flags,
            "dataset": test_set.name,
            "train_error": exported["train_error"],
            "test_error": exported["test_error"],
            "distortion": _distortion(classifier, test_set, config.num_examples),
            "curve": curve,
            "steps": trained.evaluations,
            "train_seconds": trained.seconds,
            "pools": {
                pool.place: _export(pool, trained.evaluations, images, train_set, directory / POOLS)
                for pool in pools
            },
            "seconds": time.perf_counter() - start,
        }
        manifest = build_manifest(
            job.kind,
            flags=job.flags,
            seed=config.seed,
            inputs=job.inputs,
            seconds=results["seconds"],
        )
        write_json(directory / RESULTS, results)
        write_json(directory / MANIFEST, manifest)
        checkpoints.remove()
    return results


@functools.lru_cache(maxsize=1)
def _chain(model: str, image_shape: tuple[int, int, int], num_classes: int) -> LayerChain:
    """Kept with what is compiled for it: of many trainings of a network only the first waits."""
    return LayerChain(get_definition(model).build(image_shape, num_classes, 0))


def _flags(
    config: PoolTrainingConfig,
    layers: Sequence[str],
    train_set: ImageDataset,
    test_set: ImageDataset,
) -> dict[str, Any]:
    return {
        "model": config.model,
        "dataset": train_set.name,
        "split": train_set.split,
        "test_split": test_set.split,
        "pool_layers": ",".join(layers),
        **{f"pool_{name}": value for name, value in dataclasses.asdict(config.pool).items()},
        **dataclasses.asdict(config.regularization),
        "seed": config.seed,
        "epochs": config.epochs,
        "num_examples": config.num_examples,
    }


def _distortion(
    classifier: Classifier, test_set: ImageDataset, num_examples: int | None
) -> dict[str, Any]:
    start = time.perf_counter()
    found = find_adversarial_examples(
        classifier,
        test_set.images[:num_examples],
        test_set.labels[:num_examples],
        AttackConfig(target="untargeted"),
    )
    return summarize_distortions(found._asdict(), time.perf_counter() - start)


def _export(
    pool: AdversarialPool,
    steps: int,
    images: np.ndarray,
    train_set: ImageDataset,
    directory: Path,
) -> dict[str, Any]:
    """Writes a pool as an adversarial set; what there is to say of it."""
    count, still = int(pool.count.numpy()), None
    # A training that ended before the first renewal leaves none.
    if count:
        examples = pool.examples(images, train_set.labels, train_set.indices)
        still = float(examples.success.mean())
        hidden = {} if pool.place == IMAGES else {"layer": pool.place}
        write_adversarial_set(
            directory / pool.place,
            examples,
            model={"name": pool.model, **hidden},
            class_names=train_set.class_names,
            source_split=train_set.source_split,
        )
    return {
        "size": count,
        "still_adversarial": still,
        "made": pool.made,
        "evaluations": pool.evaluations,
        "evaluations_per_step": pool.evaluations / steps,
    }
