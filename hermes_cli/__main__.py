"""`hermes`, and `python -m hermes_cli`."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


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
            _end_at_once(code)
    if sys.argv[3:5] == ["gateway", "run"]:
        from hermes_cli.gateway import start

        code = start.quick(sys.argv[1:])
        if code is not None:
            sys.exit(code)
    from hermes_cli.cli.line import is_look, run

    code = run(sys.argv[1:])
    if is_look(sys.argv[1:]):
        _end_at_once(code)
    sys.exit(code)


def _end_at_once(code: int) -> "NoReturn":
    """End without taking the interpreter apart, which takes a tenth of a look: who only looks has nothing to put away."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        sys.exit(code)  # Python's own end says it
    os._exit(code)


if __name__ == "__main__":
    main()
