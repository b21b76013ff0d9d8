"""The end of the process, which nothing may prevent."""

import subprocess
import sys

import pytest
from support import PATIENCE

pytestmark = pytest.mark.e2e


def run(program):
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_a_step_that_fails_does_not_keep_the_later_ones():
    ended = run(
        "import sys\n"
        "from hermes_cli.gateway.exit import leave\n"
        "leave([('a', lambda: 1 / 0), ('b', lambda: sys.exit(3)), ('c', lambda: print('last'))], 75)"
    )
    assert (ended.returncode, ended.stdout) == (75, "last\n")


def test_a_thread_that_never_ends_does_not_keep_the_process():
    ended = run(
        "import threading\n"
        "from hermes_cli.gateway.exit import leave\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "leave([], 75)"
    )
    assert ended.returncode == 75


@pytest.mark.parametrize(
    "hang",
    [
        "while True: pass",
        "import signal; signal.pause()",
        "import threading; threading.Lock().acquire() and threading.Event().wait()",
    ],
)
def test_a_teardown_that_hangs_is_ended_with_a_traceback(hang):
    ended = run(f"from hermes_cli.gateway.exit import Backstop\nBackstop().arm(0.3)\n{hang}")
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr


def test_arming_again_never_prolongs():
    ended = run(
        "from hermes_cli.gateway.exit import Backstop\n"
        "backstop = Backstop()\nbackstop.arm(0.3)\nbackstop.arm(3600)\nwhile True: pass"
    )
    assert ended.returncode == 1


def test_arming_again_shortens():
    ended = run(
        "from hermes_cli.gateway.exit import Backstop\n"
        "backstop = Backstop()\nbackstop.arm(3600)\nbackstop.arm(0.3)\nwhile True: pass"
    )
    assert ended.returncode == 1


def test_a_closed_stderr_disarms_nothing():
    ended = run(
        "import os, sys\nfrom hermes_cli.gateway.exit import Backstop\n"
        "os.close(2)\nsys.stderr = None\nBackstop().arm(0.3)\nwhile True: pass"
    )
    assert ended.returncode == 1
