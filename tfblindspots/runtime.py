"""How TensorFlow runs in this process: its devices, their memory, and whether it is deterministic.

Each of these is settled before TensorFlow's first computation. TensorFlow is imported when a
function is called, so that scripts which only read flags start at once.
"""

from collections.abc import Sequence

from tfblindspots.errors import InputError

ALL = "all"


def grow_memory() -> None:
    """Has every GPU give out memory as it is needed, so that others can use the rest."""
    import tensorflow as tf

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
