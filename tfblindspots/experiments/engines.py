"""What makes a set's shards when this process alone is not to."""

import importlib.util
import logging
from collections.abc import Sequence

from tfblindspots.errors import InputError
from tfblindspots.experiments.on_devices import DeviceEngine
from tfblindspots.experiments.shards import Engine
from tfblindspots.experiments.workers import Inputs


def beam_engine(inputs: Inputs, options: Sequence[str] = ()) -> Engine:
    """Workers of Apache Beam: those of this machine, or of any runner that Beam knows.

    The set's directory, and what the inputs name, must be there for all workers under the same
    paths. See ``docs/long_runs.md``.

    Args:
      inputs: how a worker loads the model and the images.
      options: Beam's own, ``"name=value"`` or ``"name"`` each, such as ``"runner=FlinkRunner"``; on
        this machine ``"direct_num_workers=2"`` (default: as many as there are cores).

    Raises:
      InputError: Beam is not installed, or does not know an option.
    """
    if importlib.util.find_spec("apache_beam") is None:
        raise InputError(
            "Apache Beam is not installed; say pip install '.[beam]' in the folder of the source, "
            "or leave --runner=beam out."
        )
    # Beam warns that it lacks clients of BigQuery.
    logging.disable(logging.WARNING)
    try:
        from tfblindspots.experiments.on_beam import BeamEngine
    finally:
        logging.disable(logging.NOTSET)
    return BeamEngine(inputs, tuple(options))


def device_engine(inputs: Inputs, devices: Sequence[str]) -> Engine:
    """One process a device.

    Args:
      inputs: how each of them loads the model and the images.
      devices: TensorFlow's names of them, such as ``"GPU:0"``; of the CPU any number of parts.
    """
    return DeviceEngine(inputs, tuple(devices))
