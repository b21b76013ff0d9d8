"""WatchPaths and QueueDirectories: the conformance cases 17 to 19, and the knobs of path events."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from launchd_emulator.loop import Loop
from launchd_emulator.watch import Watch, Watcher
from launchd_jobs import FAST, Jobs

pytestmark = pytest.mark.e2e
SCRIPT = "exit 0"


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    folder = tmp_path / "watched"
    folder.mkdir()
    return folder


def rename_into(folder: Path, name: str = "entry") -> None:
    staged = folder.with_name(f"{name}.staged")
    staged.touch()
    staged.rename(folder / name)


def outcomes(jobs: Jobs) -> list[str]:
    return [one.outcome for one in jobs.launchd.events("watch", "job")]


def test_an_entry_renamed_into_a_watched_directory_starts_one_run(still: Jobs, watched: Path) -> None:  # case 17
    still.load(SCRIPT, WatchPaths=[str(watched)])
    assert still.field("state") == "not running"
    rename_into(watched)
    still.launchd.advance(0.4)
    assert outcomes(still) == []
    still.launchd.advance(1.1)  # the most that a path event takes
    assert 0.5 <= still.launchd.wait_for("spawn", "job", cause="watch").clock <= 1.5
    still.launchd.wait_for("exit", "job")
    still.launchd.advance(100)
    assert (outcomes(still), len(still.spawns())) == (["fired"], 1)


def test_twenty_entries_at_once_start_one_run(still: Jobs, watched: Path) -> None:  # case 17
    still.load(SCRIPT, WatchPaths=[str(watched)])
    for number in range(20):
        rename_into(watched, str(number))
    still.launchd.advance(1.5)
    still.launchd.wait_for("exit", "job")
    still.launchd.advance(100)
    assert len(still.spawns()) == 1
    assert [one.changes for one in still.launchd.events("watch", "job")] == [20]


@pytest.mark.parametrize(("knob", "runs"), [("coalesce", 2), ("drop", 1)])
def test_an_event_during_a_run_leads_to_one_more_or_is_lost(  # case 17
    make_jobs: Callable[..., Jobs], watched: Path, knob: str, runs: int
) -> None:
    jobs = make_jobs(watch_while_running=knob, fs_latency_ms=100)
    jobs.load("echo > {ready}; read go < {here}/go", WatchPaths=[str(watched)], ThrottleInterval=0)
    go = jobs.pipe("go")
    rename_into(watched, "first")
    jobs.ready.wait()
    for name in ("second", "third"):
        rename_into(watched, name)
        jobs.launchd.wait_for("watch", "job", count=2 if name == "second" else 3)
    go.write_text("\n")
    if knob == "coalesce":
        jobs.ready.wait()
        go.write_text("\n")
        jobs.launchd.wait_for("exit", "job", count=2)
    else:
        jobs.launchd.wait_for("exit", "job")
    assert outcomes(jobs) == ["fired", *["coalesced" if knob == "coalesce" else "dropped"] * 2]
    assert jobs.field("state") == "not running"
    assert len(jobs.spawns()) == runs


def test_a_dropped_event_starts_nothing_until_the_next_one(make_jobs: Callable[..., Jobs], watched: Path) -> None:
    jobs = make_jobs(drop_watch_events=1)  # case 18
    jobs.load(SCRIPT, WatchPaths=[str(watched)])
    rename_into(watched, "first")
    jobs.launchd.wait_for("watch", "job", outcome="dropped")
    assert jobs.spawns() == []
    rename_into(watched, "second")
    jobs.launchd.wait_for("spawn", "job", cause="watch")
    assert outcomes(jobs) == ["dropped", "fired"]


def test_all_events_can_be_dropped(make_jobs: Callable[..., Jobs], watched: Path) -> None:
    jobs = make_jobs(drop_watch_events="all", fs_latency_ms=10)
    jobs.load(SCRIPT, WatchPaths=[str(watched)])
    for number in range(1, 4):
        rename_into(watched, str(number))
        jobs.launchd.wait_for("watch", "job", count=number, outcome="dropped")
    assert jobs.spawns() == []


def test_a_fault_can_be_kept_to_one_label(make_jobs: Callable[..., Jobs], watched: Path) -> None:
    jobs = make_jobs(drop_watch_events="all", fault_label="job", fs_latency_ms=10)
    jobs.load(SCRIPT, WatchPaths=[str(watched)])
    jobs.load(SCRIPT, "other", WatchPaths=[str(watched)])
    rename_into(watched)
    jobs.launchd.wait_for("spawn", "other")
    jobs.launchd.wait_for("watch", "job", outcome="dropped")


def test_events_without_a_change_start_runs(make_jobs: Callable[..., Jobs], watched: Path) -> None:
    jobs = make_jobs(spurious_watch_events=2)
    jobs.load(SCRIPT, WatchPaths=[str(watched)], ThrottleInterval=0)
    jobs.launchd.wait_for("spawn", "job", count=2)
    assert outcomes(jobs) == ["spurious", "fired", "spurious", "fired"]
    jobs.launchd.knob(spurious_watch_events=1)
    jobs.launchd.wait_for("spawn", "job", count=3)


@pytest.mark.parametrize("latency", [0, (3000, 4000)])
def test_a_path_event_takes_its_time(make_jobs: Callable[..., Jobs], watched: Path, latency: object) -> None:
    jobs = make_jobs(fs_latency_ms=latency, clock="held")
    jobs.load(SCRIPT, WatchPaths=[str(watched)])
    rename_into(watched)
    if latency:
        jobs.launchd.advance(2.9)
        assert jobs.spawns() == []
        jobs.launchd.advance(1.1)
    jobs.launchd.wait_for("spawn", "job")


@pytest.mark.parametrize("depth", ["children", "subtree"])
def test_what_changes_deep_below_a_watched_directory_fires_or_not(
    make_jobs: Callable[..., Jobs], watched: Path, depth: str
) -> None:
    (watched / "deep").mkdir()
    jobs = make_jobs(watch_depth=depth, fs_latency_ms=10)
    jobs.load(SCRIPT, WatchPaths=[str(watched)], ThrottleInterval=0)
    (watched / "deep" / "file").write_text("text")
    if depth == "subtree":
        jobs.launchd.wait_for("spawn", "job")
        (watched / "deep" / "deeper").mkdir()
        jobs.launchd.wait_for("spawn", "job", count=2)
        mark = jobs.launchd.mark()
        (watched / "deep" / "deeper" / "file").touch()
        jobs.launchd.wait_for("spawn", "job", after=mark)
    else:
        rename_into(watched)
        assert jobs.launchd.wait_for("watch", "job").changes == 1


def test_the_depth_can_be_turned_while_a_job_is_loaded(make_jobs: Callable[..., Jobs], watched: Path) -> None:
    (watched / "deep").mkdir()
    jobs = make_jobs(fs_latency_ms=10)
    jobs.load(SCRIPT, WatchPaths=[str(watched)])
    jobs.launchd.knob(watch_depth="subtree")
    (watched / "deep" / "file").touch()
    jobs.launchd.wait_for("spawn", "job")


@pytest.mark.parametrize("missing", ["fires", "never"])
def test_a_path_that_was_missing_at_load_fires_when_it_appears_or_never(
    make_jobs: Callable[..., Jobs], tmp_path: Path, missing: str
) -> None:
    jobs = make_jobs(watch_missing=missing, fs_latency_ms=10)
    path, other = tmp_path / "not" / "yet", tmp_path / "there"
    other.mkdir()
    jobs.load(SCRIPT, WatchPaths=[str(path)])
    jobs.load(SCRIPT, "other", WatchPaths=[str(other)])
    path.mkdir(parents=True)
    if missing == "fires":
        jobs.launchd.wait_for("spawn", "job")
        rename_into(path)
        jobs.launchd.wait_for("spawn", "job", count=2)
    else:
        rename_into(path)
        rename_into(other, "later")
        jobs.launchd.wait_for("spawn", "other")
        assert outcomes(jobs) == []


def test_on_demand_only_holds_path_events_until_it_ends(make_jobs: Callable[..., Jobs], watched: Path) -> None:
    jobs = make_jobs(on_demand_only=True, fs_latency_ms=10)
    jobs.load(SCRIPT, WatchPaths=[str(watched)])
    rename_into(watched)
    jobs.launchd.wait_for("watch", "job", outcome="held")
    jobs.launchd.wait_for("pended", "job", cause="watch")
    assert jobs.spawns() == []
    jobs.launchd.knob(on_demand_only=False)
    jobs.launchd.wait_for("spawn", "job", cause="watch")


def test_on_demand_only_may_let_path_events_through(make_jobs: Callable[..., Jobs], watched: Path) -> None:
    jobs = make_jobs(on_demand_only=True, on_demand_holds="keepalive+load", fs_latency_ms=10)
    jobs.load(SCRIPT, WatchPaths=[str(watched)], RunAtLoad=True)
    jobs.launchd.wait_for("pended", "job", cause="run-at-load")
    rename_into(watched)
    jobs.launchd.wait_for("spawn", "job", cause="watch")


def test_a_jobs_own_change_of_the_watched_path_starts_it_again(make_jobs: Callable[..., Jobs], watched: Path) -> None:
    jobs = make_jobs(fs_latency_ms=10)
    jobs.load(f"test -e {watched}/own || touch {watched}/own", WatchPaths=[str(watched)], ThrottleInterval=1)
    assert jobs.kickstart() == 0
    jobs.launchd.wait_for("spawn", "job", count=2)


def test_a_queue_that_is_not_empty_is_run_at_load_and_until_it_is(jobs: Jobs, watched: Path) -> None:  # case 19
    for name in ("one", "two", ".hidden"):
        (watched / name).touch()
    jobs.load(f"cd {watched} && rm -f $(ls -A | head -n 1)", QueueDirectories=[str(watched)], ThrottleInterval=2)
    jobs.launchd.wait_for("exit", "job", count=3)
    assert list(watched.iterdir()) == []
    assert jobs.field("state") == "not running"
    spawns = jobs.spawns()
    assert len(spawns) == 3
    assert all(later - earlier >= 2 * FAST for earlier, later in itertools.pairwise(spawns))
    rename_into(watched)
    jobs.launchd.wait_for("spawn", "job", demand="queue", count=4)


def test_an_empty_queue_starts_nothing_and_every_entry_does(still: Jobs, watched: Path) -> None:
    still.load(f"rm -f {watched}/*", QueueDirectories=[str(watched)], ThrottleInterval=0)
    assert still.field("runs") == "0"
    for count in (1, 2, 3):
        rename_into(watched)
        still.launchd.advance(1.5)
        still.launchd.wait_for("spawn", "job", cause="queue", count=count)
        still.launchd.wait_for("exit", "job", count=count)
        still.launchd.advance(100)  # were the emptying of a queue an event, there would be more
        assert len(still.spawns()) == count


@pytest.mark.parametrize("by_looking", [False, True])
def test_a_file_that_is_written_or_replaced_has_changed(tmp_path: Path, by_looking: bool) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    for change in (lambda: path.write_text("two!"), lambda: rename_over(path), path.unlink, path.touch):
        assert changes_of(path, change, by_looking=by_looking)
    assert not changes_of(path, (tmp_path / "other").touch, by_looking=by_looking)


@pytest.mark.parametrize("by_looking", [False, True])
def test_entries_of_a_directory_change_it_and_what_is_below_only_with_subtree(tmp_path: Path, by_looking: bool) -> None:
    path = tmp_path / "watched"
    path.mkdir()
    for change in (
        (path / "a").mkdir,
        lambda: (path / "a").rename(path / "b"),
        (path / "c").touch,
        (path / "c").unlink,
    ):
        assert changes_of(path, change, by_looking=by_looking)
    assert not changes_of(path, (path / "b" / "deep").touch, by_looking=by_looking)
    for change in ((path / "b" / "more").touch, lambda: (path / "b" / "more").write_text("text")):
        assert changes_of(path, change, by_looking=by_looking, subtree=True)


@pytest.mark.parametrize("by_looking", [False, True])
def test_a_directory_that_is_replaced_is_watched_on(tmp_path: Path, by_looking: bool) -> None:
    path = tmp_path / "watched"
    path.mkdir()

    def replace() -> None:
        path.rename(tmp_path / "old")
        path.mkdir()
        (path / "entry").touch()

    loop, seen, watch = watching(path, by_looking=by_looking)
    replace()
    settle(loop)
    assert seen
    seen.clear()
    (path / "another").touch()
    settle(loop)
    assert seen
    watch.close()
    seen.clear()
    (path / "third").touch()
    settle(loop)
    assert not seen


def rename_over(path: Path) -> None:
    other = path.with_name("staged")
    other.write_text("other")
    other.rename(path)


def watching(path: Path, *, by_looking: bool, subtree: bool = False) -> tuple[Loop, list[int], Watch]:
    loop, seen = Loop(), []
    watch = Watcher(loop, by_looking=by_looking).watch(str(path), lambda: seen.append(1), subtree=subtree)
    return loop, seen, watch


def settle(loop: Loop) -> None:
    """Run for a while, which is several looks."""
    loop.later(0.12, loop.stop)
    loop.run()


def changes_of(path: Path, change: Callable[[], object], *, by_looking: bool, subtree: bool = False) -> bool:
    loop, seen, watch = watching(path, by_looking=by_looking, subtree=subtree)
    change()
    settle(loop)
    watch.close()
    return bool(seen)
