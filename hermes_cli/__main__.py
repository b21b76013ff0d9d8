"""`hermes`, and `python -m hermes_cli`."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from hermes_cli.cli import streams

    streams.mend()
    from hermes_cli.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
