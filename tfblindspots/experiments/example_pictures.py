"""E4: pictures of random adversarial examples, as the paper shows them (figures 5 to 7)."""

import dataclasses
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfblindspots.artifacts import MANIFEST, build_manifest, read_json, write_json
from tfblindspots.errors import InputError
from tfblindspots.experiments.evaluation import distinct_names, set_inputs
from tfblindspots.experiments.jobs import Job
from tfblindspots.reports.figures import Magnified
from tfblindspots.reports.pictures import examples_picture, read_shown, write_pictures
from tfblindspots.reports.reading import RESULTS


@dataclass(frozen=True)
class PicturesConfig:
    """What is shown, and how.

    Attributes:
      num_examples: of each set, drawn at random.
      magnification: of the difference.
      absolute: show the absolute difference (figure 6), not shifted by 128 (figure 5).
      seed: of the draw.
    """

    num_examples: int = 6
    magnification: float = 10.0
    absolute: bool = False
    seed: int = 0


def plot_examples(
    sets: Sequence[str | os.PathLike[str]],
    config: PicturesConfig,
    output_dir: str | os.PathLike[str],
) -> dict[str, Any]:
    """Draws original, difference and adversarial image of random examples, a file a set.

    Args:
      sets: directories of adversarial sets.
      config: what is shown.
      output_dir: gets a picture a set, JPEG of colour images and else PNG, ``results.json`` and the
        manifest; new, empty, or this very job's.

    Returns:
      What ``results.json`` holds: ``pictures``, of each its ``file``, ``caption`` and the
      ``indices`` of its images in the source split.

    Raises:
      InputError: a set is not finished, or two are the same; the directory holds other files or
        pictures of other settings.
    """
    if config.num_examples < 1 or not 0 < config.magnification < math.inf:
        raise InputError(
            f"{config.num_examples} examples magnified {config.magnification:g} times were asked "
            "for; expected at least 1, and a finite magnification above 0."
        )
    paths = dict(zip(distinct_names(sets), sets, strict=True))
    directory = Path(output_dir)
    job = Job(directory, "pictures", dataclasses.asdict(config), set_inputs(paths))
    if job.finished(parts=[RESULTS]):
        return read_json(directory / RESULTS)
    start = time.perf_counter()
    magnified = Magnified(config.magnification, config.absolute)
    with job.claim(allowed=["*.png", "*.jpg", RESULTS]):
        results = []
        for name, path in paths.items():
            found = read_shown(Path(path), config.num_examples, config.seed)
            suffix = "jpg" if found.shown["image"].shape[-1] == 3 else "png"
            file = f"{name.replace(os.sep, '_')}.{suffix}"
            picture = examples_picture(file, name, found, magnified)
            write_pictures(directory, [picture])
            results.append(
                {
                    "file": file,
                    "caption": picture.caption,
                    "indices": found.shown["index"].tolist(),
                }
            )
        write_json(directory / RESULTS, {"pictures": results})
        manifest = build_manifest(
            job.kind,
            flags=job.flags,
            seed=config.seed,
            inputs=job.inputs,
            seconds=time.perf_counter() - start,
        )
        write_json(directory / MANIFEST, manifest)
    return {"pictures": results}
