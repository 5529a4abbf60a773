"""The benchmark's tables as Markdown, its plot, and what was measured."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt

_COLUMNS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "method": ("method", str),
    "images": ("images", str),
    "success_rate": ("success", lambda x: f"{x:.1%}"),
    "mean_distortion": ("mean distortion", lambda x: f"{x:.4g}"),
    "evaluations": ("evaluations an image", lambda x: f"{x:.0f}"),
    "images_per_second": ("images/s", lambda x: f"{x:.3g}"),
    "our_distortion_ratio": ("standard's distortion over its", lambda x: f"{x:.4f}"),
    "our_speed_ratio": ("standard's speed over its", lambda x: f"{x:.3g}"),
    "fast_distortion_ratio": ("fast's distortion over its", lambda x: f"{x:.4f}"),
    "fast_speed_ratio": ("fast's speed over its", lambda x: f"{x:.3g}"),
    "thorough_distortion_ratio": ("thorough's distortion over its", lambda x: f"{x:.4f}"),
    "thorough_speed_ratio": ("thorough's speed over its", lambda x: f"{x:.3g}"),
}
# Okabe and Ito's colours, which the colour-blind tell apart.
_STYLES = {
    "tfblindspots": ("#D55E00", "*"),
    "Foolbox DDN": ("#0072B2", "o"),
    "Foolbox FMN as shipped": ("#009E73", "x"),
    "Foolbox FMN, projection mended": ("#009E73", "s"),
    "Foolbox Carlini-Wagner": ("#CC79A7", "D"),
    "SciPy": ("#000000", "v"),
    "tfp": ("#E69F00", "^"),
}


@dataclass(frozen=True)
class Run:
    """What one method did with the first images of a case."""

    method: str
    l2: np.ndarray  # [n], infinite where nothing was found
    evaluations: float  # mean an image
    seconds: float

    def row(self, pixels: int, ours: "Run") -> dict[str, Any]:
        """Numbers of the table, with ours over this one's; ``ours`` is of the same images."""
        count = len(self.l2)
        assert len(ours.l2) == count
        both = np.isfinite(self.l2) & np.isfinite(ours.l2)
        found = self.l2[np.isfinite(self.l2)]
        return {
            "method": self.method,
            "images": count,
            "success_rate": float(np.isfinite(self.l2).mean()),
            "mean_distortion": float(found.mean() / np.sqrt(pixels)) if found.size else None,
            "evaluations": self.evaluations,
            "seconds": self.seconds,
            "images_per_second": count / self.seconds,
            "our_distortion_ratio": (
                float(ours.l2[both].mean() / self.l2[both].mean()) if both.any() else None
            ),
            "our_speed_ratio": self.seconds / ours.seconds,
        }


def table_rows(
    runs: list[Run], ours: dict[tuple[str, int], Run], efforts: tuple[str, ...], pixels: int
) -> list[dict[str, Any]]:
    """A row a run, its ratios to each of our efforts on as many images.

    Args:
      runs: of all methods.
      ours: our runs by method and number of images.
      efforts: of ours, the first being that of the columns without a name.
      pixels: of an image.
    """
    rows = []
    for run in runs:
        first, *others = (
            run.row(pixels, ours[f"tfblindspots, {effort}", len(run.l2)]) for effort in efforts
        )
        for effort, row in zip(efforts[1:], others, strict=True):
            first[f"{effort}_distortion_ratio"] = row["our_distortion_ratio"]
            first[f"{effort}_speed_ratio"] = row["our_speed_ratio"]
        rows.append(first)
    return rows


def commit() -> str:
    """The commit that is measured, with "-dirty" when files were changed since."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return described.stdout.strip()


def markdown(table: Mapping[str, Any]) -> str:
    """One model's table.

    Args:
      table: ``title`` and ``rows``, each a mapping with the keys of the columns.
    """
    columns = {key: value for key, value in _COLUMNS.items() if key in table["rows"][0]}
    lines = [
        [heading for heading, _ in columns.values()],
        ["---"] * len(columns),
        *(
            ["none" if row[key] is None else show(row[key]) for key, (_, show) in columns.items()]
            for row in table["rows"]
        ),
    ]
    return f"# {table['title']}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def plot(tables: Sequence[Mapping[str, Any]], path: str | os.PathLike[str]) -> None:
    """Distortion against time and against gradient evaluations, a column a model; writes a PNG.

    Distortions are relative to our standard effort's on the same images: above 1 is worse.

    Args:
      tables: as for ``markdown``.
      path: of the PNG file.
    """
    figure, axes = plt.subplots(
        2, len(tables), figsize=(4 * len(tables), 6.4), squeeze=False, layout="constrained"
    )
    for column, table in enumerate(tables):
        for row in table["rows"]:
            if not row["our_distortion_ratio"]:
                continue
            name = next(name for name in _STYLES if row["method"].startswith(name))
            color, marker = _STYLES[name]
            for axis, cost in zip(
                axes[:, column], (1 / row["images_per_second"], row["evaluations"]), strict=True
            ):
                axis.plot(
                    cost,
                    1 / row["our_distortion_ratio"],
                    marker,
                    color=color,
                    markersize=13 if name == "tfblindspots" else 8,
                    label=name,
                    alpha=0.85,
                )
        for axis, label in zip(
            axes[:, column], ("seconds an image", "gradient evaluations an image"), strict=True
        ):
            axis.set_xscale("log")
            axis.axhline(1.0, color="0.6", linewidth=0.8)
            axis.set_xlabel(label)
            axis.grid(alpha=0.3)
        axes[0, column].set_title(table["title"])
    for axis in axes[:, 0]:
        axis.set_ylabel("distortion / tfblindspots standard")
    handles: dict[str, Any] = {}
    for axis in axes.flat:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
