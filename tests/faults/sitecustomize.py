"""Fault injection for real processes: Python imports this at start-up when its folder is on PYTHONPATH.

HERMES_TEST_FAULT says what strikes, see strikes.py; for what a service manager starts, a file of the virtual environment.
Thousands of processes of the tests start with this, most of them with nothing to strike: they import nothing for it.
"""

import os
import sys


def _asked():
    if "HERMES_TEST_FAULT" in os.environ:
        return os.environ["HERMES_TEST_FAULT"]
    try:
        with open(os.path.join(sys.prefix, "faults.json"), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


if asked := _asked():
    import strikes

    strikes.begin(asked)
