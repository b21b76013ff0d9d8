"""`hermes`, and `python -m hermes_cli`."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    from hermes_cli.cli import streams
    from hermes_cli.system import collector

    collector.put_off()
    streams.mend()
    if "probe" in sys.argv:
        from hermes_cli.status import probe

        code = probe.quick(sys.argv[1:])
        if code is not None:
            sys.exit(code)
    if sys.argv[3:5] == ["gateway", "run"]:
        from hermes_cli.gateway import start

        code = start.quick(sys.argv[1:])
        if code is not None:
            sys.exit(code)
    from hermes_cli.cli.line import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
