"""Devices by name, memory growth, determinism."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf

from tfblindspots import runtime
from tfblindspots.errors import InputError


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """TensorFlow says that there are two GPUs."""
    gpus: list[object] = [SimpleNamespace(name="first"), SimpleNamespace(name="second")]
    listed = tf.config.list_physical_devices
    monkeypatch.setattr(
        tf.config,
        "list_physical_devices",
        lambda kind=None: gpus if kind == "GPU" else listed(kind),
    )
    return gpus


def test_memory_grows_on_every_gpu_and_no_digit_is_dropped(
    two_gpus: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    grown: list[object] = []
    monkeypatch.setattr(
        tf.config.experimental,
        "set_memory_growth",
        lambda gpu, enable: grown.append((gpu, enable)),
    )
    tf.config.experimental.enable_tensor_float_32_execution(True)
    runtime.prepare_gpus()
    assert grown == [(gpu, True) for gpu in two_gpus]
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


def test_gpus_by_name(two_gpus: list[object]) -> None:
    assert runtime.use_devices(["all"]) == ("GPU:0", "GPU:1")
    assert runtime.use_devices(["gpu:1"]) == ("GPU:1",)
    assert runtime.use_devices(["GPU:1", "CPU:0"]) == ("GPU:1", "CPU:0")
    with pytest.raises(InputError, match=r"what is here \(GPU:0, GPU:1, CPU:0; CPU:1 and so on"):
        runtime.use_devices(["GPU:2"])


@pytest.mark.parametrize(("device", "seen"), [("GPU:1", [1]), ("GPU:0", [0]), ("CPU:1", [])])
def test_a_process_sees_one_device(
    device: str, seen: list[int], two_gpus: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    visible: list[object] = []
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *given: visible.append(given))
    runtime.see_only(device)
    assert visible == [([two_gpus[number] for number in seen], "GPU")]


def test_all_devices_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    assert runtime.use_devices(["all"]) == ("CPU:0",)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["GPU:9"], "devices hold 'GPU:9'; expected all, or names of what is here ("),
        (["CPU"], "devices hold 'CPU'; expected all"),
        (["CPU:x"], "devices hold 'CPU:X'; expected all"),
        (["CPU:64"], "devices hold 'CPU:64'; expected all"),
        (["all", "CPU:0"], "devices hold 'ALL'; expected all"),
        (["CPU:0", "cpu:0"], "devices are CPU:0,CPU:0; expected all, or one or several names, ea"),
        ([], "devices are none; expected all, or one or several names, each once."),
    ],
)
def test_what_is_no_device(names: list[str], message: str) -> None:
    with pytest.raises(InputError) as error:
        runtime.use_devices(names)
    assert str(error.value).startswith(message)


def test_parts_of_the_cpu_are_made_at_the_start_only() -> None:
    tf.constant(1) + 1
    with pytest.raises(InputError) as error:
        runtime.use_devices(["CPU:0", "CPU:7"])
    assert str(error.value) == (
        "devices name 8 parts of the CPU after TensorFlow's first computation, and there are 1; "
        "name them at the start of the process."
    )
    assert not runtime.is_deterministic()
    # In another process, where they are; and what needs seeds has them.
    subprocess.run([sys.executable, "-c", _AT_THE_START], check=True, timeout=120)


_AT_THE_START = """
import tensorflow as tf
from tfblindspots import runtime
assert runtime.use_devices(["CPU:2", "CPU:0"]) == ("CPU:2", "CPU:0")
assert [device.name[-5:] for device in tf.config.list_logical_devices()] == [
    "CPU:0", "CPU:1", "CPU:2"
]
assert runtime.use_devices(["CPU:1"]) == ("CPU:1",)
runtime.make_deterministic(seed=3)
assert runtime.is_deterministic()
first = tf.random.normal([4]).numpy()  # an error without seeds
runtime.make_deterministic(seed=3)
assert (tf.random.normal([4]).numpy() == first).all()
"""


def test_free_memory_of_the_machine_and_of_its_container(tmp_path: Path) -> None:
    assert runtime._free_host_memory(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 4000 kB\nMemAvailable:    3000 kB\n")
    assert runtime._free_host_memory(tmp_path) == 3000 * 1024
    groups = tmp_path / "sys/fs/cgroup"
    (groups / "memory").mkdir(parents=True)
    for name, text in (
        ("memory/memory.limit_in_bytes", "1000000\n"),
        ("memory/memory.usage_in_bytes", "700000\n"),
        ("memory/memory.stat", "cache 5\ntotal_inactive_file 50000\n"),
    ):
        (groups / name).write_text(text)
    assert runtime._free_host_memory(tmp_path) == 350_000
    for name, text in (
        ("memory.max", "max\n"),
        ("memory.current", "600000\n"),
        ("memory.stat", "inactive_file 0\n"),
    ):
        (groups / name).write_text(text)
    assert runtime._free_host_memory(tmp_path) == 350_000  # "max": no limit
    (groups / "memory.max").write_text("500000\n")
    assert runtime._free_host_memory(tmp_path) == 0


def test_free_memory_of_a_gpu(two_gpus: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_memory_limit", lambda device: {"GPU:0": 1000}[device])
    monkeypatch.setattr(
        tf.config.experimental, "get_memory_info", lambda device: {"current": 300, "peak": 900}
    )
    assert runtime.on_gpu()
    assert runtime.free_memory() == 700


def test_the_limit_of_a_device_is_read() -> None:
    # What TensorFlow says of every CPU, whatever its memory.
    assert runtime._memory_limit("CPU:0") == 256 << 20
