"""The benchmark's tables as Markdown, and its plot."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib

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
    "Foolbox FMN": ("#009E73", "s"),
    "Foolbox Carlini-Wagner": ("#CC79A7", "D"),
    "SciPy": ("#000000", "v"),
    "tfp": ("#E69F00", "^"),
}


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
            color, marker = next(
                style for name, style in _STYLES.items() if row["method"].startswith(name)
            )
            ours = row["method"].startswith("tfblindspots")
            for axis, cost in zip(
                axes[:, column], (1 / row["images_per_second"], row["evaluations"]), strict=True
            ):
                axis.plot(
                    cost,
                    1 / row["our_distortion_ratio"],
                    marker,
                    color=color,
                    markersize=13 if ours else 8,
                    label=row["method"].split(",")[0],
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
