"""Results as ``reproduce.py`` leaves them, filled with the paper's own numbers."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from tfblindspots import adversarial_sets
from tfblindspots.artifacts import write_json
from tfblindspots.errors import InputError
from tfblindspots.reports import paper, pictures

COUNT = 60000
WEIGHT_DECAYS = {"hidden_1": 1e-5, "hidden_2": 1e-5, "logits": 1e-6}


def rate(value: float, count: int = COUNT) -> dict[str, Any]:
    errors = round(value * count)
    return {
        "errors": errors,
        "count": count,
        "rate": errors / count,
        "low": float(stats.beta.ppf(0.025, errors, count - errors + 1)) if errors else 0.0,
        "high": float(stats.beta.ppf(0.975, errors + 1, count - errors)) if errors < count else 1.0,
    }


def attack(distortion: float) -> dict[str, Any]:
    return {
        "count": COUNT,
        "success_rate": 1.0,
        "mean_distortion": distortion,
        "mean_distortion_correct": 1.05 * distortion,
        "median_distortion_correct": distortion,
        "quantiles": {"0.05": 0.4 * distortion, "0.95": 1.9 * distortion},
        "mean_evaluations": 61.25,
        "seconds": 83.4,
        "images_per_second": 719.4,
        "statuses": {"converged": 55980, "already misclassified": 4020},
    }


def cross_table() -> dict[str, Any]:
    def cells(rates: dict[str, float]) -> list[dict[str, Any]]:
        return [{"model": name, **rate(value)} for name, value in rates.items()]

    rows = [
        {
            "name": known.title,
            "made_for": name,
            "mean_distortion": known.distortion,
            "cells": cells(dict(paper.CROSS_MODEL[name])),
        }
        for name, known in paper.NETWORKS.items()
    ]
    clean = {name: known.train_error for name, known in paper.NETWORKS.items()}
    rows.append(
        {"name": "clean images", "made_for": None, "mean_distortion": 0.0, "cells": cells(clean)}
    )
    rows += [
        {
            "name": f"Gaussian noise {stddev}",
            "made_for": None,
            "mean_distortion": stddev,
            "cells": cells(dict(rates)),
        }
        for stddev, rates in paper.NOISE.items()
    ]
    return {"columns": list(paper.NETWORKS), "rows": rows}


def paper_results() -> dict[str, Any]:
    return {
        "dataset": "mnist",
        "train_count": COUNT,
        "test_count": 10000,
        "seconds": 1571.3,
        "networks": [
            {
                "name": name,
                "title": known.title,
                "weight_decays": {"logits": float(known.weight_decay)}
                if "," not in known.weight_decay
                else WEIGHT_DECAYS,
                "train_error": rate(known.train_error),
                "test_error": rate(known.test_error, 10000),
                "converged": name != "ae400-10",
                "iterations": 412,
                "evaluations": 431,
                "train_seconds": 97.2,
                "message": "gradient below the tolerance",
                "attacks": {
                    "random": attack(known.distortion),
                    "untargeted": attack(0.6 * known.distortion),
                },
            }
            for name, known in paper.NETWORKS.items()
        ],
        "cross_model": {"random": cross_table(), "untargeted": cross_table()},
    }


def manifest() -> dict[str, Any]:
    return {
        "schema": 1,
        "kind": "reproduction",
        "version": "0.1.0",
        "created": "2025-01-02T03:04:05+00:00",
        "seconds": 1571.3,
        "seed": 7,
        "flags": {"dataset": "mnist", "seed": 7, "data_dir": None},
        "libraries": {"python": "3.11.2", "tensorflow": "2.21.0"},
    }


def adversarial_examples(
    images: np.ndarray, labels: np.ndarray, distortion: float, seed: int
) -> dict[str, np.ndarray]:
    """A set whose distortions scatter about a mean; every 20th image is misclassified already."""
    generator = np.random.default_rng(seed)
    direction = generator.normal(size=images.shape)
    scale = distortion * generator.gamma(8, 1 / 8, size=(len(images), 1, 1, 1))
    wrong = np.arange(len(images)) % 20 == 0
    scale[wrong] = 0
    adversarial = np.clip(images + scale * direction, 0, 1).astype(np.float32)
    changes = np.sqrt(np.mean((adversarial - images) ** 2, axis=(1, 2, 3)))
    target = (labels + 1 + generator.integers(0, 9, len(labels))) % 10
    return {
        "image": adversarial,
        "original": images,
        "label": labels,
        "index": np.arange(len(labels)),
        "original_prediction": np.where(wrong, target, labels),
        "prediction": target,
        "target": target,
        "success": np.ones(len(labels), np.int64),
        "distortion": changes.astype(np.float32),
    }


@pytest.fixture
def results_content() -> dict[str, Any]:
    return paper_results()


@pytest.fixture
def write_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, Any]], Path]:
    """Writes a report's ``networks``, results and manifest; any directory reads as a small set."""

    def read(directory: Path) -> SimpleNamespace:
        if (directory / "unfinished").exists():
            raise InputError(f"{directory.name} has no manifest.json; expected a finished set.")
        generator = np.random.default_rng(3)
        images = generator.uniform(size=(40, 8, 8, 1)).astype(np.float32)
        labels = np.arange(40) % 10
        return SimpleNamespace(
            examples=adversarial_examples(images, labels, 0.1, seed=4),
            manifest={"class_names": [str(number) for number in range(10)]},
        )

    def write(content: dict[str, Any]) -> Path:
        directory = tmp_path / "networks"
        directory.mkdir(exist_ok=True)
        write_json(directory / "results.json", content)
        write_json(directory / "manifest.json", manifest())
        return directory

    monkeypatch.setattr(adversarial_sets, "read_adversarial_set", read)
    monkeypatch.setattr(pictures, "SAMPLES", 2)  # which is faster to draw
    return write
