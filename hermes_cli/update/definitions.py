"""A name that other releases run: see `hermes_cli.jobs`, which states the contract."""

import sys

from hermes_cli.jobs.definitions import main

if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
