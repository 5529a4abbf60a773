"""A short form of the benchmark of images that are read when needed."""

import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from benchmarks import large_data
from tfblindspots.data import stored_images, survey


@pytest.mark.skipif(sys.platform != "linux", reason="the most memory is read from /proc")
def test_what_a_process_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFBLINDSPOTS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(survey, "MOST_IN_MEMORY", survey.MOST_IN_MEMORY)
    monkeypatch.setattr(stored_images, "_MOST_THREADS", stored_images._MOST_THREADS)
    monkeypatch.setattr(large_data, "_RANDOM", 16)
    for number in range(5):
        pixels = np.full((240, 260, 3), 40 * number, np.uint8)
        path = tmp_path / f"photos/a/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(pixels).save(path)
    for most, cached in ((large_data._ALL, 0), (0, 1)):
        found = large_data._process(str(tmp_path / "photos"), None, most, 2)
        assert min(found.values()) > 0 and found["peak_mib"] >= found["peak_mib_before"]
        assert len(list(tmp_path.glob("cache/*"))) == cached
