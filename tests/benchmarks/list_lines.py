"""`hermes gateway list` of many profiles, against `status` of one of them, in the same run."""

import os
import subprocess
from collections.abc import Iterator

from bench import Bench, hermes, to_end
from measure import Limits, Row, interleave

from hermes_cli.paths import Paths
from hermes_cli.programs import own
from hermes_cli.system.directory_watch import DirectoryWatch

_PATIENCE = 60.0  # seconds


def rows(bench: Bench) -> Iterator[Row]:
    """Five supervised profiles; then fifty, the other ones in the foreground."""
    running = bench.installation("profiles")
    running.install()
    for number in range(4):
        assert running.run("-p", f"p{number}", "gateway", "install").returncode == 0
    environment = bench.environment(str(running.home))
    yield _row(bench, environment, 5, ratio=1.5)
    others = []
    for number in range(4, 49):
        argv = hermes("-p", f"p{number}", "gateway", "run")
        others.append(subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        _await_ready(Paths(f"p{number}", f"{running.home}/state", str(running.home), f"{running.home}/logs"))
    yield _row(bench, environment, 50, ratio=2.0)
    for other in others:
        other.terminate()
        other.wait(_PATIENCE)


def _row(bench: Bench, environment: dict[str, str], count: int, *, ratio: float) -> Row:
    status, listed = hermes("gateway", "status"), hermes("gateway", "list")
    floor, ours = interleave(
        max(5, bench.effort.starts // 3),
        (lambda: to_end(status, environment), lambda: to_end(listed, environment)),
    )
    return Row(
        f"hermes gateway list, {count} profiles", "hermes gateway status of one", floor, ours, Limits(ratio=ratio)
    )


def _await_ready(paths: Paths) -> None:
    os.makedirs(paths.state, mode=0o700, exist_ok=True)
    with DirectoryWatch(paths.state) as watch:
        while (found := own.read_alive(paths)) is None or not found.ready:
            assert watch.wait(_PATIENCE)
