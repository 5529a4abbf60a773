"""A worker process of Beam's on this machine, started by ``on_beam`` with the leash's address.

Beam's own worker would outlive a process that is killed.
"""

import sys

from apache_beam.runners.worker import sdk_worker_main

from tfblindspots.experiments.leash import hold

if __name__ == "__main__":
    hold(sys.argv[1])
    sdk_worker_main.main(sys.argv)
