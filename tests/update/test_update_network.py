"""Updates over a network that is there, breaks off in the middle of a file, or goes silent."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkouts import Source, git
from support.machines.installation import PATIENCE, SHORT_CLOCKS, Installation
from support.machines.network import Network
from support.releases.wheels import Environment

pytestmark = pytest.mark.e2e
# pip downloads the wheel once to see what is in it, and once to install it.
TO_LOOK, TO_INSTALL = 1, 2
SILENCE = {"PIP_TIMEOUT": "2", "PIP_RETRIES": "0"}  # what a person may set, too; pip's own are 15 s and five


class Indexed:
    """hermes, installed from wheels, and the index that it comes from."""

    def __init__(self, hermes: Installation, environment: Environment, network: Network, folder: Path) -> None:
        self.hermes, self.environment, self.network, self._folder = hermes, environment, network, folder

    def release(self) -> None:
        """Publish 1.1, and everything that there is, as an index has it (PEP 503)."""
        self.environment.wheels.release("1.1")
        for wheel in self.environment.wheels.folder.iterdir():
            place = self._folder / "simple" / wheel.name.partition("-")[0].replace("_", "-")
            place.mkdir(parents=True, exist_ok=True)
            os.link(wheel, place / wheel.name)

    def is_as_it_was(self, files: dict[str, bytes]) -> bool:
        """Whether every file is, with no journal and no intent left."""
        under_way = Path(self.hermes.paths.updates_under_way)
        left = list(under_way.iterdir()) if under_way.exists() else []
        return self.environment.files() == files and not left and not self.hermes.pending()


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    folder = tmp_path / "served"
    folder.mkdir()
    with Network(folder) as found:
        yield found


@pytest.fixture
def indexed(
    make_installation: Callable[..., Installation], tmp_path: Path, wheels_template: Environment, network: Network
) -> Indexed:
    environment = wheels_template.branch(tmp_path)
    (environment.folder / "pip.conf").write_text("[global]\nno-cache-dir = true\n")
    config = SHORT_CLOCKS.replace("[update]\n", f'[update]\nindex = "{network.files}/simple"\n')
    hermes = make_installation(config=config, code=None, python=str(environment.python))
    return Indexed(hermes, environment, network, tmp_path / "served")


def test_a_wheel_comes_from_an_index(indexed: Indexed) -> None:
    before = indexed.hermes.install()
    indexed.release()
    done = indexed.hermes.run("update")
    assert done.returncode == 0, done.stderr
    assert indexed.hermes.ready(other_than=before).revision == "1.1"


@pytest.mark.parametrize("how", ["breaks off", "stalls"])
@pytest.mark.parametrize("during", [TO_LOOK, TO_INSTALL], ids=["look", "installation"])
def test_a_download_that_is_cut_short_changes_nothing(indexed: Indexed, during: int, how: str) -> None:
    before = indexed.hermes.install()
    files = indexed.environment.files()
    indexed.release()
    indexed.network.fails = (during, how)
    done = indexed.hermes.run("update", **SILENCE)
    assert indexed.network.failed.is_set()
    assert done.returncode == 1, done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert indexed.is_as_it_was(files)
    assert indexed.hermes.ready().identity == before.identity
    assert indexed.hermes.run("update").returncode == 0
    assert indexed.hermes.ready(other_than=before).revision == "1.1"


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_updater_that_is_ended_while_the_network_is_silent_leaves_the_old_release(
    indexed: Indexed, ending: signal.Signals
) -> None:
    before = indexed.hermes.install()
    files = indexed.environment.files()
    indexed.release()
    indexed.network.fails = (TO_INSTALL, "stalls")
    updater = indexed.hermes.start("update", **SILENCE)
    assert indexed.network.failed.wait(PATIENCE)
    updater.send_signal(ending)
    updater.communicate(timeout=PATIENCE)
    assert updater.returncode != 0
    indexed.hermes.until(lambda: not indexed.hermes.pending(), "an empty queue")
    indexed.hermes.until(lambda: indexed.is_as_it_was(files), "the old release, and nothing left over")
    assert indexed.hermes.ready().identity == before.identity


def over_the_network(source: Source, network: Network, folder: Path) -> None:
    """Let the clone fetch what is large from there."""
    source.publish({"large.bin": os.urandom(200_000).hex()})
    (folder / "served" / "hermes.git").symlink_to(source.remote)
    git(source.clone, "remote", "set-url", "origin", f"{network.git}/hermes.git")


def test_a_fetch_that_breaks_off_changes_nothing(
    hermes: Installation, source: Source, network: Network, tmp_path: Path
) -> None:
    old = source.head()
    over_the_network(source, network, tmp_path)
    network.fails = (1, "breaks off")
    done = hermes.run("update")
    assert network.failed.is_set()
    assert done.returncode == 1
    assert "cannot be fetched from" in done.stderr
    assert "nothing was changed; are you offline?" in done.stderr
    assert source.is_exactly(old)
    network.fails = None
    assert hermes.run("update").returncode == 0
    assert source.head() != old


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_a_fetch_that_stalls_keeps_no_other_update_from_its_work(
    hermes: Installation, source: Source, network: Network, tmp_path: Path, ending: signal.Signals
) -> None:
    old = source.head()
    over_the_network(source, network, tmp_path)
    network.fails = (1, "stalls")
    updater = hermes.start("update")
    assert network.failed.wait(PATIENCE)
    updater.send_signal(ending)
    updater.communicate(timeout=PATIENCE)
    assert source.is_exactly(old)
    network.fails = None
    done = hermes.run("update")
    assert done.returncode == 0, done.stderr
    assert source.head() != old
