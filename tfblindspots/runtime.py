"""How TensorFlow runs in this process: its devices, their memory, and whether it is deterministic.

Each of these is settled before TensorFlow's first computation. TensorFlow is imported when a
function is called, so that scripts which only read flags start at once.
"""

from collections.abc import Sequence
from pathlib import Path

from tfblindspots.errors import InputError

ALL = "all"


def prepare_gpus() -> None:
    """Has GPUs give out memory as it is needed, and compute with all digits of float32.

    In products TensorFlow would keep 10 bits of 23 (TensorFloat-32). A minimum-distortion image
    lies at the boundary: predicted with all of them, on another machine, it could be of its old
    class.
    """
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def make_deterministic(seed: int) -> None:
    """Turns on deterministic operations; the global generators, which they insist on, get a seed.

    Args:
      seed: of Python's, NumPy's and TensorFlow's global generators, from which nothing in this
        package draws.
    """
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed % 2**32)
    tf.config.experimental.enable_op_determinism()


def is_deterministic() -> bool:
    """Whether TensorFlow's operations are deterministic, whoever turned that on."""
    # TensorFlow has no public name for it.
    from tensorflow.python.framework.config import is_op_determinism_enabled

    return bool(is_op_determinism_enabled())


def on_gpu() -> bool:
    """Whether TensorFlow has a GPU, on which it then computes."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def free_memory() -> int | None:
    """Bytes that are free where TensorFlow computes: on the first GPU, or for this process.

    Returns:
      None where the system does not tell.
    """
    if not on_gpu():
        return _free_host_memory(Path("/"))
    import tensorflow as tf

    used = tf.config.experimental.get_memory_info("GPU:0")["current"]
    return int(_memory_limit("GPU:0") - used)


def _memory_limit(device: str) -> int:
    """Bytes that TensorFlow may give out on a device."""
    # TensorFlow has public names for this only on devices that it would make anew.
    from tensorflow.python import pywrap_tfe
    from tensorflow.python.client import pywrap_tf_session as session
    from tensorflow.python.eager import context

    context.ensure_initialized()
    devices = pywrap_tfe.TFE_ContextListDevices(context.context()._handle)
    try:
        limits = {
            session.TF_DeviceListName(devices, i): session.TF_DeviceListMemoryBytes(devices, i)
            for i in range(session.TF_DeviceListCount(devices))
        }
    finally:
        session.TF_DeleteDeviceList(devices)
    return int(next(limit for name, limit in limits.items() if name.endswith(f":{device}")))


def _free_host_memory(root: Path) -> int | None:
    """What Linux says is available, within the limit of a container; None elsewhere."""
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        sizes = {name: int(rest.split()[0]) for name, _, rest in (s.partition(":") for s in lines)}
        free = 1024 * sizes["MemAvailable"]
    except (OSError, KeyError):
        return None
    groups = root / "sys/fs/cgroup"
    for limit, usage, unused in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            most, used = (int((groups / name).read_text()) for name in (limit, usage))
            # Files that are only kept in case they are read again are given back.
            pairs = map(
                str.split, (groups / limit).with_name("memory.stat").read_text().splitlines()
            )
            kept = int(dict(pairs).get(unused, 0))
        except (OSError, ValueError):  # no such group, or a limit of "max"
            continue
        free = min(free, max(most - used + kept, 0))
    return free


def use_devices(names: Sequence[str]) -> tuple[str, ...]:
    """Finds devices by their names; parts of the CPU, beyond the first, are made.

    ``CPU:0`` and ``CPU:1`` are the same processor under two names: of use for tests of what is to
    run on several GPUs.

    Args:
      names: such as ``("GPU:0", "GPU:1")``, or ``("all",)``: every GPU, the CPU where there is
        none.

    Returns:
      TensorFlow's names of them, such as ``"GPU:0"``.

    Raises:
      InputError: a name is no device here or is given twice, or parts of the CPU are asked for
        after TensorFlow's first computation.
    """
    import tensorflow as tf

    gpus = tuple(f"GPU:{i}" for i, _ in enumerate(tf.config.list_physical_devices("GPU")))
    if tuple(name.lower() for name in names) == (ALL,):
        return gpus or ("CPU:0",)
    chosen = tuple(name.upper() for name in names)
    for name in chosen:
        kind, _, number = name.partition(":")
        if name not in gpus and not (kind == "CPU" and number.isdecimal() and int(number) < 64):
            here = ", ".join((*gpus, "CPU:0"))
            raise InputError(
                f"devices hold {name!r}; expected all, or names of what is here ({here}; CPU:1 "
                "and so on are further parts of the CPU), such as GPU:0,GPU:1."
            )
    if not chosen or len(set(chosen)) < len(chosen):
        raise InputError(
            f"devices are {','.join(chosen) or 'none'}; expected all, or one or several names, "
            "each once."
        )
    _make_cpus(max((int(name[4:]) + 1 for name in chosen if name[:3] == "CPU"), default=1))
    return chosen


def _make_cpus(count: int) -> None:
    import tensorflow as tf

    [cpu] = tf.config.list_physical_devices("CPU")
    parts = tf.config.get_logical_device_configuration(cpu) or [None]
    if count <= len(parts):
        return
    try:
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * count
        )
    except RuntimeError:
        raise InputError(
            f"devices name {count} parts of the CPU after TensorFlow's first computation, and "
            f"there are {len(parts)}; name them at the start of the process."
        ) from None


def see_only(device: str) -> None:
    """Hides all devices but one from TensorFlow in this process, which has computed nothing yet.

    Args:
      device: TensorFlow's name of it; of the CPU any number is the whole of it.
    """
    import tensorflow as tf

    kind, _, number = device.partition(":")
    gpus = tf.config.list_physical_devices("GPU")
    tf.config.set_visible_devices([gpus[int(number)]] if kind == "GPU" else [], "GPU")
