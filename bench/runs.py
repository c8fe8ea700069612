"""One run of `ingot bench`, for the benchmarks that print a table of several."""

import json
import os
import subprocess
import sys
import time


def measure(ingot, seconds, app, load):
    # What the run before left for the disk to do is not this run's burden.
    os.sync()
    time.sleep(1)
    command = [ingot, "bench", "--json", "--app", app, "--seconds", seconds, *load]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}")
    return json.loads(done.stdout)


def arguments(usage):
    """The program and how many seconds a run takes, from the command line."""
    if len(sys.argv) not in (2, 3):
        sys.exit(usage)
    return sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "10"
