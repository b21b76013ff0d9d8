"""Take each mechanism away, one at a time, and see the test that covers it fail: `python tests/switched_off.py [WORD]`.

The package is copied, some text of one function is replaced, and the test runs against the copy. Exit code 1 when a test
passes without what it is there for, fails against an unchanged copy, or when the text is not there any more; and when rows
are left. With `--keep FILE` the next run goes on where this one ended.
"""

import argparse
import compileall
import hashlib
import inspect
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import hermes_cli
from hermes_cli import environment, pending
from hermes_cli.cli import adopt
from hermes_cli.gateway import drain, sd_notify
from hermes_cli.gateway.channels.local.client import Conversation
from hermes_cli.gateway.channels.local.server import LocalChannel
from hermes_cli.gateway.channels.telegram.lane import Lane
from hermes_cli.gateway.channels.telegram.ledger import Ledger
from hermes_cli.gateway.channels.telegram.outbox import Outbox
from hermes_cli.gateway.conversations.notices import Notices
from hermes_cli.gateway.conversations.store import Store
from hermes_cli.gateway.exit import Backstop
from hermes_cli.gateway.reception import Reception
from hermes_cli.gateway.run import Gateway
from hermes_cli.gateway.staying import Staying
from hermes_cli.installation import copy as installed_copy
from hermes_cli.intents import decide, request, sign_of_life
from hermes_cli.intents.driver import Driver
from hermes_cli.intents.facts import Facts
from hermes_cli.notify.hooks import Hooks
from hermes_cli.programs import description, verdicts
from hermes_cli.programs.declared import DeclaredProgram
from hermes_cli.restart import ask, in_tree, send, skew, wake
from hermes_cli.services import ahead, usable
from hermes_cli.services.embedded import after_exit, reexecution
from hermes_cli.services.embedded.control import Control
from hermes_cli.services.embedded.driver_runs import DriverRuns
from hermes_cli.services.embedded.manager import Embedded
from hermes_cli.services.embedded.one_only import OneOnly
from hermes_cli.services.embedded.supervisor import Supervisor
from hermes_cli.services.job import names, owner
from hermes_cli.services.launchd import domain as launchd_domain
from hermes_cli.services.launchd import launchctl, plists, printed
from hermes_cli.services.launchd.domain import Domains
from hermes_cli.services.launchd.jobs import Jobs
from hermes_cli.services.launchd.launchctl import Launchctl
from hermes_cli.services.launchd.manager import Launchd
from hermes_cli.services.launchd.printed import Job, Location
from hermes_cli.services.systemd import units
from hermes_cli.services.systemd.manager import Systemd
from hermes_cli.system import durable, locks, sockets
from hermes_cli.update import change
from hermes_cli.update.restarts import Restarts
from hermes_cli.update.sources.wheel import distributions

TESTS = Path(__file__).parent
PACKAGE = Path(hermes_cli.__file__).parent
# Seconds that a test waits for what does not come. Too few for a busy machine are four times as many in the next try, up to
# what the tests have by themselves.
PATIENCE, LONGEST = float(os.environ.get("HERMES_TEST_PATIENCE", "12")), 240.0


class Row(NamedTuple):
    """`old` within `code`, an object or a file that is no Python, becomes `new`, and then `test` must fail."""

    mechanism: str
    code: Callable[..., Any] | property | ModuleType | str
    old: str
    new: str
    test: str

    def rewritten(self, new: str) -> tuple[str, str]:
        """Return the file below the package, and what it holds with `new` for `old`. Raises ValueError."""
        path = PACKAGE / self.code if isinstance(self.code, str) else Path(inspect.getsourcefile(self._written) or "")
        text = path.read_text()
        # A module's source is all of its file.
        part = text if isinstance(self.code, str) else inspect.getsource(self._written)
        if self.old not in part or text.count(part) != 1:
            raise ValueError(f"{self.code} has no {self.old!r} any more: mend the row")
        return str(path.relative_to(PACKAGE)), text.replace(part, part.replace(self.old, new))

    @property
    def _written(self) -> Any:
        """What has a source: the function of a property."""
        if isinstance(self.code, property):
            return self.code.fget
        return self.code.func if isinstance(self.code, cached_property) else self.code


REPORT, KILLED, UPDATE = (
    "e2e/test_the_report.py::test_",
    "e2e/test_killed_participants.py::test_",
    "e2e/test_update.py::test_",
)
SYSTEMD = "e2e/systemd/test_systemd_"
JOBS = "e2e/launchd/test_jobs.py::test_"
CELL = "e2e/launchd/test_matrix.py::test_the_gateway_comes_back and "


TRIAL = "e2e/test_update_on_trial.py::test_"
MESSAGES, SERVICE = "e2e/test_messages.py::test_", "e2e/test_service.py::test_"
STORM = "gateway/test_telegram_killed.py::test_"
LOOKS = "services/test_look_ahead.py::test_"
ROWS = [
    Row(
        "look ahead: who asks looks before the record",
        ask.refuse_leap,
        "if why is None:",
        "if True:",
        f"{LOOKS}a_restart_into_a_broken_configuration_is_refused and embedded",
    ),
    Row(
        "a driver waits for a supervisor that stands still",
        decide.next_would_not_start_now,
        "return Wait(facts.seen.not_now, facts.now + _LOOK_AGAIN)",
        "return None",
        "e2e/test_embedded_manager.py::test_a_restart_that_is_recorded_while_the_supervisor_is_stopped",
    ),
    Row(
        "look ahead: the driver looks before the signal",
        decide.next_would_not_start,
        "facts.seen.obstacle is None:",
        "True:",
        f"{LOOKS}a_driver_looks_before_it_signals and launchd",
    ),
    Row(
        "look ahead: the gateway looks before it leaves",
        Staying.begins,
        "if found is None or",
        "if True or",
        f"{LOOKS}a_gateway_that_is_signalled_stays and systemd",
    ),
    Row(
        "look ahead: an update asks for every profile",
        Restarts.obstacle_for_others,
        "self._first(self.of_others,",
        "self._first([],",
        "update/test_update_looks_ahead.py::test_new_code_that_another_profile",
    ),
    Row(
        "adopted: what a person disabled stays so",
        verdicts.disabled,
        "if look.manager.disabled else",
        "if False else",
        "unit/programs/test_verdicts.py::test_verdict",
    ),
    Row(
        "adopted: one end makes one intent",
        verdicts.asked_already,
        "if look.asked is None:",
        "if True:",
        "unit/programs/test_verdicts.py::test_verdict",
    ),
    Row(
        "adopted: half-changed code is not started",
        verdicts.update_under_way,
        "if look.updating else",
        "if False else",
        "unit/programs/test_verdicts.py::test_verdict",
    ),
    Row(
        "adopted: its manager is believed, not its old files",
        verdicts.manager_runs_it,
        "if look.manager.running is None:",
        "if True:",
        "unit/programs/test_verdicts.py::test_verdict",
    ),
    Row(
        "adopted: its own helper comes first",
        verdicts.restart_wanted,
        "if not look.manager.loaded and look.now < until:",
        "if False:",
        "unit/programs/test_verdicts.py::test_verdict",
    ),
    Row(
        "adopted: who is to start it again is ready at its end",
        DeclaredProgram.signs,
        'if isinstance(one, dict) and "exists" in one',
        "if False",
        "adopted/test_exit_takes_time.py",
    ),
    Row(
        "adopted: a profile keeps one service alive",
        adopt._refuse_second,
        "if before is not None and (before.manager, before.name) != service:",
        "if False:",
        "adopted/test_whose_it_is.py::test_a_profile_keeps_one",
    ),
    Row(
        "hooks: before a restart they run while the gateway is ready",
        send._has_hook,
        "if not os.path.exists(paths.config):",
        "if True:",
        "e2e/test_hooks.py::test_one_runs_while_the_old_gateway_is_ready",
    ),
    Row(
        "hooks: one that kills whoever runs it is not run for ever",
        Hooks.before,
        "self._outbox.failed(key, self._outbox.tried(key), time.time())",
        "pass",
        "e2e/test_hooks.py::test_whoever_is_killed_in_it",
    ),
    Row(
        "look ahead: what lies in the way in the state is seen",
        ahead.places,
        "next(usable.unusable(paths), None)",
        "None",
        "services/test_spoiled_files.py::test_no_file and gateway.lock and directory",
    ),
    Row(
        "look ahead: what lies in the place of the queue's directories is seen",
        usable.unusable,
        "if in_the_way is not None:",
        "if False:",
        "unit/services/test_usable.py::test_what_is_no_directory",
    ),
    Row(
        "look ahead: a supervisor that may start no process is asked",
        Embedded.obstacle,
        "if type(refused) is int:",
        "if False:",
        "services/test_look_ahead.py::test_a_restart_whose_supervisor_may_start_no_process",
    ),
    Row(
        "look ahead: a queue on two disks is seen",
        "services/usable.py",
        "return Unusable(apart, errno.EXDEV) if apart is not None else None",
        "return None",
        "unit/services/test_usable.py::test_a_folder_of_the_queue_on_another_disk",
    ),
    Row(
        "look ahead: the journal of a cut-off update can be read",
        usable.unread_journal,
        "return Unusable(path, error.errno or errno.EIO)",
        "pass",
        "unit/services/test_usable.py::test_a_journal_that_cannot_be_read",
    ),
    Row(
        "launchd: what a job says of itself has a hash",
        owner.Said.__hash__,
        "return hash((self.argv, self.log, self.watched))",
        "return hash(self.environment)",
        "unit/services/test_launchctl.py::test_what_launchd_says_of_a_job_can_be_looked_up",
    ),
    Row(
        "three answers: a lock that cannot be looked at",
        locks.look,
        "return False if error.errno in _NO_LOCK else None",
        "return False",
        "unit/test_locks.py::test_a_lock_that_cannot_be_looked_at",
    ),
    Row(
        "three answers: a FIFO holds no reader up",
        durable.prompt_opener,
        "flags | os.O_NONBLOCK |",
        "flags |",
        "unit/test_user_environment.py::test_a_fifo_in_its_place",
    ),
    Row(
        "the boot's clock: no setting of another one changes a duration",
        request.elapsed,
        "if since_boot is not None and",
        "if False and since_boot is not None and",
        "unit/intents/test_queue.py::test_how_long_it_took_is_not_changed",
    ),
    Row(
        "a supervisor's socket is made again",
        Control.tend,
        "if identity(self._path) == self._named:",
        "if True:",
        "processes/services/test_supervisor.py::test_a_supervisor_whose_socket_somebody_took_away",
    ),
    Row(
        "a supervisor's lock is taken again, or another's is respected",
        OneOnly.is_ours,
        "if locks.is_at(self.descriptor, self._path):",
        "if True:",
        "processes/services/test_supervisor.py::test_of_two_supervisors",
    ),
    Row(
        "a gateway's socket is made again",
        LocalChannel.tend,
        "if self._server is None or",
        "if True or self._server is None or",
        "gateway/test_local_channel.py::test_a_socket_that_somebody_took_away",
    ),
    Row(
        "a stop that a start has overtaken is answered",
        Supervisor._serve,
        "self._answer_stop_calls()  # with",
        "pass  # with",
        "e2e/test_service.py::test_a_stop_that_a_start_has_overtaken",
    ),
    Row(
        "look after: a driver that does nothing is ended",
        sign_of_life.take,
        "and end_silent(path) is not None",
        "and False",
        "processes/intents/test_driver.py::test_a_driver_that_is_stopped_is_ended",
    ),
    Row(
        "look after: an accepted poke may come to nothing",
        wake.is_taken_up,
        "return False",
        "return True",
        "services/test_done_not_accepted.py::test_a_restart_is_completed_though and launchd and ask0",
    ),
    Row(
        "the record is written before the signal",
        send.send,
        "records.submit(paths.intents, record)",
        "pass",
        f"{REPORT}it_is_restarted_exactly_once_and_nothing_stays_pending",
    ),
    Row(
        "unknown counts as in-tree: the inherited marker",
        in_tree.is_in_tree,
        "if inherited is not None and _is_ours",
        "if False and _is_ours",
        f"{REPORT}a_caller_that_was_set_apart",
    ),
    Row(
        "the turn that asked never blocks the drain",
        drain.deadline_of,
        "if not asked:",
        "if True:",
        f"{REPORT}an_in_tree_requester_whose_turn_goes_on",
    ),
    Row(
        "a model has time for its last words in the turn that asked",
        drain.deadline_of,
        "if runs else",
        "if True else",
        "gateway/test_drain.py::test_the_turn_that_asked_may_wait",
    ),
    Row(
        "Telegram: an answer of another form is no end of polling",
        "gateway/channels/telegram/poll.py",
        "if self._is_named and isinstance(result, list):",
        "if self._is_named:",
        "gateway/test_telegram_strangest.py::test_updates_and_answers",
    ),
    Row(
        "Telegram: words that are refused leave no placeholder",
        "gateway/channels/telegram/verdicts.py",
        '"unfit" if outcome.code == 400 else "never"',
        '"never"',
        "gateway/test_telegram_strangest.py::test_words_that_telegram",
    ),
    Row(
        "the chat is told the outcome",
        Notices.look,
        "def look(self) -> None:",
        "def look(self) -> None:\n        return\n",
        f"{REPORT}a_restart_typed_in_the_agents_terminal",
    ),
    Row(
        "the driver sends the SIGUSR1 itself",
        Driver._act,
        "process.send(target, self._program.restart_signal)",
        "pass",
        f"{KILLED}a_requester_killed_once_its_record_is_durable",
    ),
    Row(
        "a driver that was killed is run again",
        DriverRuns.exited,
        "        if is_something_pending(self._paths):\n            self._trigger",
        "        if False:\n            self._trigger",
        "processes/test_bounds.py::test_a_driver_that_fails_again_and_again",
    ),
    Row(
        "the driver demand-starts",
        Driver._start,
        "self._manager.reload() if reload else self._manager.demand_start()",
        "pass",
        f"{KILLED}gateway_and_supervisor_killed_together",
    ),
    Row(
        "the look that every command takes",
        wake.look,
        "if not is_something_pending(paths):",
        "if True:",
        f"{KILLED}gateway_and_supervisor_killed_together",
    ),
    Row(
        "the exit handler demands a start when nobody can be poked",
        wake.leave_to,
        "if code and (poked is False or",
        "if False and (poked is False or",
        f"{KILLED}a_supervisor_killed_with_its_driver",
    ),
    Row(
        "the gateway replaces a dead supervisor",
        Gateway._supervisor_gone,
        "self._spawn(self._start_supervisor())",
        "pass",
        f"{KILLED}a_supervisor_killed_while_nothing_happens",
    ),
    Row(
        "the driver kills when every softer deadline has passed",
        Driver._act,
        "process.send(target, signal.SIGKILL)",
        "pass",
        f"{KILLED}a_stopped_process_is_killed",
    ),
    Row(
        "the gateway's own backstop",
        Backstop.arm,
        "faulthandler.dump_traceback_later(at - time.monotonic(), exit=True, file=self._file or sys.stderr)",
        "pass",
        f"{KILLED}a_teardown_that_hangs",
    ),
    Row(
        "stop wins",
        after_exit.after_exit,
        'if desired == "stopped":',
        "if False:",
        f"{KILLED}a_stop_during_a_pending_intent_wins",
    ),
    Row(
        "intents that name one instance share a restart",
        Facts.outdated,
        "if target is not None and target.is_same_as(running.identity) and not self._began_anew(running):",
        "if target is not None:",
        f"{KILLED}ten_requests_at_once",
    ),
    Row(
        "the same, for a request while draining",
        Facts.outdated,
        "if target is not None and target.is_same_as(running.identity) and not self._began_anew(running):",
        "if target is not None:",
        f"{KILLED}a_request_made_while_draining",
    ),
    Row(
        "the hold: nobody acts while code changes",
        Driver._observe,
        "held=held,",
        "held=False,",
        "processes/intents/test_driver.py::test_the_end_of_a_hold_wakes_the_driver",
    ),
    Row(
        "new code is proven before the gateway is touched",
        change.complete,
        "if why is not None:",
        "if False:",
        f"{UPDATE}new_code_that_crashes_at_import_never_reaches",
    ),
    Row(
        "a release that does not work is put back",
        decide._fail,
        '    if facts.phase == "trial":\n        return PutBack(why)\n',
        "",
        f"{TRIAL}a_release_that_does_not_work_is_put_back",
    ),
    Row(
        "a fresh gateway must stay ready",
        decide._stays_ready,
        "return None if facts.now >= proven_at else Wait",
        "return None if True else Wait",
        f"{TRIAL}a_release_that_does_not_work_is_put_back",
    ),
    Row(
        "a driver runs from the copy when the package cannot be imported",
        installed_copy.driver_argv,
        "    if found is None:\n",
        "    if True:\n",
        f"{TRIAL}a_package_that_cannot_be_imported",
    ),
    Row(
        "a driver follows one that was killed while it put back",
        change.put_back,
        'journal.note(step="undoing", why=why or journal.why)',
        "pass",
        f"{TRIAL}a_driver_killed_while_it_puts_back",
    ),
    Row(
        "an update without an intent is seen to",
        pending.is_something_pending,
        "or is_update_cut_off(paths)",
        "or False",
        "e2e/test_update_profiles.py::test_an_update_without_a_restart_that_is_cut_off",
    ),
    Row(
        "what a wheel replaces is kept",
        distributions.put_back,
        "        if _read(path) != data:",
        "        if False:",
        "update/test_update_wheels.py::test_a_release_that_cannot_be_imported_is_put_back",
    ),
    Row(
        "the next instance delivers what an update says",
        Reception.serve,
        "        self._notices.follow()\n        self._updates.follow()\n",
        "        self._notices.follow()\n",
        "e2e/test_update_in_chat.py::test_the_output_comes_before_and_after",
    ),
    Row(
        "skew is said",
        skew.newer,
        "    if installed is None or installed == running:",
        "    if True:",
        "e2e/test_update_skew.py::test_the_next_command_says_it",
    ),
    Row(
        "attempts are bounded",
        decide.starts_failed,
        "if facts.start_is_refused or facts.progress.attempts >= facts.max_attempts:",
        "if facts.start_is_refused:",
        f"{UPDATE}code_that_crashes_at_import_and_was_pulled_by_hand",
    ),
    Row(
        "the supervisor executes its new code",
        reexecution.become,
        "    os.execv(sys.executable, [*argv, *options])",
        "    return",
        f"{UPDATE}the_supervisor_executes_its_new_code",
    ),
    Row(
        "no turn begins while draining",
        Reception.drain,
        "        self.turns.close()\n",
        "",
        f"{MESSAGES}a_message_that_arrives_while_draining",
    ),
    Row(
        "a turn that was cut off is answered, not run again",
        Reception.open,
        "left = interrupt_left_behind(self._store, self._notices.restart_of)",
        "left = 0",
        f"{MESSAGES}a_turn_cut_off_by_a_killed_gateway",
    ),
    Row(
        "Telegram: a turn is noted before it is run",
        Store.begin,
        "SET state = 'running', instance = ?",
        "SET state = 'queued', instance = ?",
        f"{STORM}killed_at_random and short",
    ),
    Row(
        "Telegram: a drain waits for calls under way",
        Outbox.finish,
        "end = loop.time() + _LAST_WORDS",
        "end = loop.time()",
        f"{STORM}restarted_in_order and short",
    ),
    Row(
        "Telegram: a placeholder that a full disk does not note is kept in mind",
        Lane._placed,
        "if (key, number) in self._unnoted:",
        "if False:",
        "gateway/test_telegram_faults.py::test_a_disk_without_room and placed",
    ),
    Row(
        "Telegram: a chat is left alone as long as it is told to be",
        Lane._wait,
        "verdict.pause or self._pause",
        "self._pause",
        "gateway/test_telegram_faults.py::test_every_tenth_call and short",
    ),
    Row(
        "Telegram: no words of the server's have the token",
        "gateway/channels/telegram/api.py",  # by name: it imports a client that plain pytest does not need
        "self._without_token(read(answer.status_code, answer.content))",
        "read(answer.status_code, answer.content)",
        "gateway/test_telegram_faults.py::test_a_refusal_that_quotes",
    ),
    Row(
        "Telegram: what is delivered leaves no row",
        Ledger.settle,
        "DELETE FROM deliveries WHERE seq <= ?",
        "DELETE FROM deliveries WHERE part >= 0 AND seq <= ?",
        "unit/gateway/test_telegram_ledger.py::test_what_is_delivered",
    ),
    Row(
        "what was not acknowledged is sent again",
        Conversation._connect,
        "for identifier, text in self._unacknowledged.items():",
        "for identifier, text in ():",
        "gateway/test_client.py::test_a_message_the_gateway_never_read",
    ),
    Row(
        "what is started is scrubbed of the conversation",
        environment.scrubbed,
        "name != MARKER and not name.startswith(SESSION_PREFIX)",
        "True",
        f"{SERVICE}a_supervisor_started_from_a_conversation",
    ),
    Row(
        "storms of automatic restarts are refused",
        ask.ask,
        "    if in_tree or origin:\n        _refuse_storm(paths, limits)",
        "",
        f"{SERVICE}a_storm_of_automatic_restarts",
    ),
    Row(
        "an old request expires",
        decide._refusal,
        "if intent.expires_at is not None and facts.is_expired:",
        "if False:",
        f"{SERVICE}an_old_request_is_settled_as_expired",
    ),
    Row(
        "systemd: the queue is watched",
        units.watch,
        'f"DirectoryNotEmpty={literal(paths.pending)}"',
        'f"DirectoryNotEmpty={literal(paths.pending)}.not"',
        f"{SYSTEMD}faults.py::test_a_requester_killed_once_its_record_is_durable",
    ),
    Row(
        "systemd: what RestartSec holds back is restarted",
        Systemd.demand_start,
        'verb = "restart" if unit.is_awaiting_restart or unit.active == "deactivating" else "start"',
        'verb = "start"',
        f"{SYSTEMD}faults.py::test_older_units_with_a_long_pause",
    ),
    Row(
        "systemd: the count of the start limit is reset",
        Systemd.demand_start,
        'self._systemctl("reset-failed", self._names.service)\n        # A `start`',
        "# A `start`",
        f"{SYSTEMD}faults.py::test_a_gateway_at_its_start_limit_is_restarted",
    ),
    Row(
        "systemd: a restarter waits for another driver",
        "jobs/hermes-restarter.sh",
        " --busy wait",
        "",
        f"{SYSTEMD}faults.py::test_another_driver_at_work_is_waited_for",
    ),
    Row(
        "systemd: without a restarter the gateway has systemd restart it",
        wake.leave_to,
        "if code and (poked is False or",
        "if False and (poked is False or",
        f"{SYSTEMD}faults.py::test_with_a_masked_restarter_the_gateway_has",
    ),
    Row(
        "systemd: a poke starts a stopped watch again",
        Systemd.poke,
        "for also in ((self._names.path,), ()):",
        "for also in ((),):",
        f"{SYSTEMD}faults.py::test_a_stopped_watch_is_shown",
    ),
    Row(
        "systemd: a stop is for the next login, too",
        Systemd.stop,
        'self._systemctl("disable", self._names.service)\n        answer',
        "answer",
        f"{SYSTEMD}faults.py::test_a_stop_survives_the_next_login",
    ),
    Row(
        "systemd: who shares the gateway's cgroup is in its tree",
        in_tree.is_in_tree,
        "or _shares_cgroup(pid)",
        "",
        f"{SYSTEMD}report.py::test_a_caller_with_nothing_of_the_gateway_but_its_cgroup",
    ),
    Row(
        "systemd: it is told when the gateway is ready",
        Gateway._serve,
        "self._notifier.ready()",
        "pass",
        f"{SYSTEMD}install.py::test_systemctl_start_returns_when_the_gateway_is_ready",
    ),
    Row(
        "systemd: the address of its manager does not leak to the agent's commands",
        sd_notify.claim,
        "environment.pop(_ADDRESS, None)",
        "environment.get(_ADDRESS)",
        "services/test_conformance.py::test_the_gateway_knows_nothing_of_who_installed_it_and_nothing_leaks_from_its_manager",
    ),
    Row(
        "launchd: a demand start leaves alone what runs, it is no kickstart -k",
        Launchd.demand_start,
        'self._launchctl("kickstart", f"{domain}/{self._label}")',
        'self._launchctl("kickstart", "-k", f"{domain}/{self._label}")',
        "services/test_conformance.py::test_a_demand_start_starts_what_is_stopped and launchd",
    ),
    Row(
        "launchd: the label is enabled before it is loaded",
        Domains.load,
        'self._launchctl("enable", target)',
        "pass",
        f"{JOBS}status_says_what_is_broken_and_install_mends_it and disabled",
    ),
    Row(
        "launchd: the queue is watched",
        plists.restarter,
        '"WatchPaths": [paths.pending],\n            "QueueDirectories": [paths.pending],',
        "",
        # In the matrix the interval covers for it, where a busy machine makes the bound long.
        f"{JOBS}a_record_whose_requester_is_killed_is_found_by_the_watch",
    ),
    Row(
        "launchd: only the restarter reloads",
        Launchd.install,
        'if found.job is not None and found.job.service.state != "stopped" and',
        "if False and",
        f"{JOBS}in_the_agents_terminal_too and kickstart",
    ),
    Row(
        "launchd: what is loaded is told from what lies there",
        Jobs.is_stale,
        " != _digest(",
        " is _digest(",
        f"{JOBS}a_drifted_definition_is_reloaded",
    ),
    Row(
        "launchd: no answer is unknown, not stopped",
        Location.service,
        'return Service("unknown", detail="launchd does not answer")',
        'return Service("stopped", detail="launchd does not answer")',
        f"{JOBS}a_launchd_that_does_not_answer",
    ),
    Row(
        "launchd: without a login session the user's own domain",
        Domains.__init__,
        'for kind in ("gui", "user")',
        'for kind in ("gui",)',
        f"{CELL}domain and kind",
    ),
    Row(
        "launchd: a label belongs into the login session, where there is one",
        Domains.home,
        "for domain in sorted(self.names):",
        "for domain in self.names:",
        f"{JOBS}a_service_in_the_wrong_domain",
    ),
    Row(
        "launchd: the copy drives where the package cannot",
        "jobs/hermes-restarter.sh",
        '[ -d "$here/lib" ] || return 1',
        "return 1",
        f"{CELL}package and kind",
    ),
    Row(
        "the least that the shell does",
        "jobs/hermes-restarter.sh",
        '  the_least "$@"\n',
        "",
        "unit/services/test_restarter_program.py::test_without_an_interpreter_too",
    ),
    Row(
        "launchd: a poke is bounded",
        Launchd.poke,
        "timeout=POKE",
        "timeout=60",
        f"{CELL}restarter and hangs and kind",
    ),
    Row(
        "launchd: a look is bounded",
        launchctl,
        "timeout=LOOK",
        "timeout=600",
        f"{JOBS}a_launchd_that_does_not_answer",
    ),
    Row(
        "launchd: a call that changes something is bounded",
        Launchctl.__call__,
        "timeout: float = TIMEOUT",
        "timeout: float = 600",
        f"{CELL}gateway and hangs and kind",
    ),
    Row(
        "launchd: a start that the throttle holds back is waited for",
        Job.service,
        'Service("stopped", None, self.exit_code, detail, scheduled=True)',
        'Service("stopped", None, self.exit_code, detail)',
        f"{JOBS}a_start_that_the_throttle_holds_back_is_waited_for",
    ),
    Row(
        "launchd: a domain that is busy is asked again",
        launchd_domain,
        "_REPEATED = {launchctl.EIO, *IN_PROGRESS, None}",
        "_REPEATED = {None}",
        f"{JOBS}a_reload_outlasts_a_busy_domain",
    ),
    Row(
        "launchd: a label that is being removed is loaded again",
        Launchd.demand_start,
        "if answer.code in {NO_SERVICE, *IN_PROGRESS}:",
        "if False:",
        f"{JOBS}the_only_attempt_survives_an_answer_that_means_no_such_label",
    ),
    Row(
        "launchd: a label that is on its way out is not taken for loaded",
        Domains.outlast_removal,
        "if isinstance(found, Job) and not found.is_ending:",
        "if isinstance(found, Job):",
        f"{JOBS}a_demand_start_outlasts_a_stop_that_is_under_way",
    ),
    Row(
        "launchd: without a restarter the gateway has launchd restart it",
        wake.leave_to,
        "if code and (poked is False or",
        "if False and (poked is False or",
        f"{JOBS}a_gateway_that_drains_without_a_restarter",
    ),
    Row(
        "launchd: a poke without an answer is no driver",
        wake.leave_to,
        "not is_taken_up(paths, _LAST_LOOK)",
        "(poked and not is_taken_up(paths, _LAST_LOOK))",
        f"{JOBS}a_gateway_whose_poke_has_no_answer",
    ),
    Row(
        "systemd: a bare signal is a restart as well",
        wake.leave_to,
        " or is_bare",
        "",
        f"{SYSTEMD}faults.py::test_a_bare_signal_is_completed_by_systemd",
    ),
    Row(
        "launchd: a bare signal is a restart as well",
        wake.leave_to,
        " or is_bare",
        "",
        f"{JOBS}a_bare_signal_with_nothing_in_the_queue",
    ),
    Row(
        "launchd: a stop is for the next login, too",
        Launchd.stop,
        'self._launchctl("disable", f"{domain}/{self._label}")',
        "pass",
        f"{JOBS}a_stop_outlives_the_next_login",
    ),
    Row(
        "launchd: what is not ours is not touched",
        Launchd._stranger_in_file,
        "text = definition.read(plists.path_of(label))\n        if not text:",
        "text = definition.read(plists.path_of(label))\n        if True:",
        "unit/services/test_owner.py::test_what_an_older_release_installed_keeps_the_plain_name",
    ),
    Row(
        "whose a job is: the state directory that it serves",
        owner.stranger,
        "if _is_same(state, paths.state) or",
        "if True or",
        "unit/services/test_owner.py::test_a_definition_says_which_state_directory_it_serves",
    ),
    Row(
        "a copy of a home has no gateway of its own",
        description._is_copied,
        'return not locks.is_held(f"{here}/gateway.lock")',
        "return False",
        "services/test_whose_jobs.py::test_a_home_that_was_moved_keeps_its_jobs_and_a_copy_of_it_has_none",
    ),
    Row(
        "another home has a name of its own",
        names.suffix,
        "return _digest(paths) + _profile(paths)",
        "return _profile(paths)",
        "unit/services/test_owner.py::test_the_default_home_has_the_plain_name_and_another_one_a_digest",
    ),
    Row(
        "launchd: the first of equal keys of print counts",
        printed.parse_print,
        "found.setdefault(entry[1], entry[2])",
        "found[entry[1]] = entry[2]",
        "unit/services/test_launchctl.py::test_the_first_state_counts_and_nested_ones_do_not",
    ),
    Row(
        "launchd: a job's environment is its own",
        plists._plist,
        '**environment.variables(paths, "launchd", "launchctl"), **variables',
        "**variables",
        f"{JOBS}install_loads_both_jobs",
    ),
    Row(
        "systemd: an exit that was asked for is no crash to be counted",
        Systemd.forgive_exit,
        'self._systemctl("reset-failed", self._names.service, timeout=_EXIT)',
        "pass",
        "e2e/systemd/test_systemd_faults.py::test_signals_by_hand_are_no_crashes_after_which_systemd_gives_up",
    ),
    Row(
        "what waits is found by its index",
        Store.room,
        "_COUNT_QUEUED",
        "\"SELECT count(*) FROM messages WHERE state = 'queued'\"",
        "unit/gateway/test_store_indexes.py::test_what_waits_is_found_without_reading_every_message",
    ),
    Row(
        "who connects waits for those before",
        sockets.connect,
        "if time.monotonic() >= deadline:",
        "if True:",
        "unit/test_sockets.py::test_who_connects_while_others_are_not_taken_yet_waits_for_their_turn",
    ),
]


class Verdict(NamedTuple):
    """What became of a row: `fails` is as it should be, `why` is what its test said without the mechanism."""

    said: str
    why: str = ""
    patience: float = 0.0  # seconds; with everything in place the test passes within them


def main(words: list[str], keep: Path | None, minutes: float, jobs: int) -> int:
    """Run the rows that contain one of `words` and have not held in an earlier run, as `keep` tells; the exit code."""
    rows = [row for row in ROWS if any(word in row.mechanism + row.test for word in words or [""])]
    held = kept(keep)
    left = [row for row in rows if digest(row) not in held]
    end = time.monotonic() + 60 * minutes
    found: list[Verdict] = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        intact = Intact(Path(folder))
        under_way = {pool.submit(_judge, row, intact, end): row for row in left}
        for future in as_completed(under_way):
            row, verdict = under_way[future], future.result()
            if verdict is None:
                continue
            found.append(verdict)
            print(f"{verdict.said}  without {row.mechanism:<58} {row.test.partition('::test_')[2]}", flush=True)
            print(f"       {verdict.why} ({verdict.patience:.0f} s)", flush=True)
            if keep is not None:
                with keep.open("a") as file:
                    file.write(json.dumps({"row": digest(row), "mechanism": row.mechanism, **verdict._asdict()}) + "\n")
    good = len(rows) - len(left) + sum(one.said == "fails" for one in found)
    print(
        f"{good} of {len(rows)} tests fail without what they are there for; {len(left) - len(found)} were left for later"
    )
    return 0 if good == len(rows) else 1


def digest(row: Row) -> str:
    """Return what a row is known by in the file of an earlier run: one that was mended since is another."""
    return hashlib.sha256(repr([row.mechanism, row.old, row.new, row.test]).encode()).hexdigest()[:16]


def kept(keep: Path | None) -> set[str]:
    """Return the digests of the rows that held."""
    lines = keep.read_text().splitlines() if keep is not None and keep.exists() else []
    return {one["row"] for one in map(json.loads, lines) if one["said"] == "fails"}


class Intact:
    """The package with everything in place, and for each test the patience with which it passes there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._patience: dict[str, float | None] = {}
        _copy(folder)

    def patience(self, test: str) -> float | None:
        """Return seconds, more where the machine is busy; None: it fails however long it waits."""
        if test not in self._patience:
            tried = [PATIENCE * 4**step for step in range(8) if PATIENCE * 4**step < LONGEST]
            waits = (seconds for seconds in [*tried, LONGEST] if _failure(test, self.folder, seconds) is None)
            self._patience[test] = next(waits, None)
        return self._patience[test]


def _judge(row: Row, intact: Intact, end: float) -> Verdict | None:
    """Return what became of the row, or None when the time was over before it began."""
    if time.monotonic() > end:
        return None
    try:
        patience = intact.patience(row.test)
        if patience is None:
            return Verdict("FAILS ALSO WITH EVERYTHING IN PLACE,")
        with tempfile.TemporaryDirectory() as folder:
            _copy(Path(folder), *row.rewritten(row.new))
            why = _failure(row.test, Path(folder), patience)
    except ValueError as error:
        return Verdict("CANNOT TELL,", str(error))
    return Verdict("PASSES", patience=patience) if why is None else Verdict("fails", why, patience)


def _copy(folder: Path, file: str | None = None, text: str = "") -> None:
    """Copy the package, with `text` in one `file`; compiled, since none of the tests' many processes would keep it."""
    shutil.copytree(PACKAGE, folder / "hermes_cli")
    if file is not None:
        (folder / "hermes_cli" / file).write_text(text)
    compileall.compile_dir(folder / "hermes_cli", quiet=2)


def _failure(test: str, code: Path, patience: float) -> str | None:
    """Run a test against that code; what it says, or None when it passes. Raises ValueError when it cannot be run."""
    where, _, name = test.partition("::")
    options = ["-q", "-x", "-p", "no:cacheprovider", f"{TESTS}/{where}", *(["-k", name] if name else [])]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *options],
        env={
            **os.environ,
            "PYTHONPATH": str(code),
            "PYTHONSAFEPATH": "1",  # a child that runs `-c` must not find the unchanged package in the working directory
            "HERMES_TEST_CODE": str(code),
            "HERMES_TEST_PATIENCE": str(patience),
            "COLUMNS": "240",
        },
        cwd=TESTS.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 1} or (done.returncode == 0 and " passed" not in done.stdout):
        raise ValueError(f"{test} could not be run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return None if done.returncode == 0 else next(iter(failed), "").partition(" - ")[2] or "it failed"


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument(
        "words", nargs="*", metavar="WORD", help="only rows whose mechanism or test contains one of them"
    )
    options.add_argument("--keep", type=Path, metavar="FILE", help="what held stands there and is not run again")
    options.add_argument("--minutes", type=float, default=math.inf, help="begin no row after so many")
    options.add_argument("--jobs", type=int, default=1, metavar="N", help="so many rows at a time")
    chosen = options.parse_args()
    sys.exit(main(chosen.words, chosen.keep, chosen.minutes, chosen.jobs))
