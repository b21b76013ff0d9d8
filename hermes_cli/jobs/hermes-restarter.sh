#!/bin/sh
# hermes-restarter PYTHON PROFILE STATE START...
#
# Runs the driver of one profile's restart intents. Started by the service manager whenever something is pending.
# It lies outside the code that updates replace: when the installed package cannot run a driver, the copy beside this
# file does, and when no Python can, it does the least itself: waits for the recorded process to go and runs START,
# the service manager's own demand start of the service. Nothing in a record is ever executed.
# `hermes gateway install` and `hermes update` bring this file up to date.

log=$HERMES_RESTARTER_LOG # the definition names it
unset HERMES_RESTARTER_LOG
python=$1 profile=$2 state=$3
shift 3
intents=$state/restart-intents
here=$(dirname -- "$0")
again=10      # seconds until it is tried again, while something is pending that no Python can finish; doubles
seldom=600    # up to this
longest=300   # seconds that recorded processes are waited for
bound=20      # seconds for START
full=10485760 # bytes; drivers keep their log much shorter, if they can run
cd / || exit 1

# The directory is made, a log that no driver could rotate is moved aside, and where there is no log none is written.
open_log() {
  [ -n "$log" ] || return 0
  (
    umask 077
    mkdir -p "${log%/*}" && : >>"$log"
    [ "$(wc -c <"$log")" -le "$full" ] || mv -f "$log" "$log.1"
    : >>"$log"
  ) 2>/dev/null && exec >>"$log" 2>&1
  return 0
}

pending() {
  for record in "$intents"/pending/* "$intents"/pending/.[!.]*; do
    [ -e "$record" ] || [ -L "$record" ] || continue
    return 0
  done
  return 1
}

# 0: it has done what it can, or waited for another driver (75: that is at it still).
drive() {
  "$python" -P -m hermes_cli.restarter -p "$profile" --trigger watch --busy wait
  code=$?
  [ "$code" -eq 0 ] || [ "$code" -eq 75 ]
}

drive_copy() {
  [ -d "$here/lib" ] || return 1
  PYTHONPATH=$here/lib drive
}

# An update was cut off while it changed the code: half a package may well begin to run, so the copy goes first.
in_flux() { grep -qsE '"step": *"(begun|undoing)"' "$state"/updates/under-way/*.json; }

# Any Python that is new enough runs the copy, which needs nothing that is installed: it finds that the program is gone,
# and says so to who asked. Not in flux: what an update was changing belongs to the Python that is gone.
drive_elsewhere() {
  [ -x "$python" ] || in_flux && return 1
  gone=$python
  for python in python3 python3.14 python3.13 python3.12 python3.11; do
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && drive_copy && break
  done
  python=$gone
  [ "$code" -eq 0 ] || [ "$code" -eq 75 ]
}

# The ways to run a driver, the best one first. One that was killed says nothing about the code: once more, before that
# is taken for broken.
drive_somehow() {
  { in_flux && drive_copy; } || drive || { [ "$code" -ge 128 ] && drive; } || drive_copy || drive_elsewhere
}

# An updater may have died before its intent was recorded, or never meant to restart anything.
is_update_cut_off() {
  for journal in "$state"/updates/under-way/*.json; do
    [ -e "$journal" ] && return 0
  done
  return 1
}

is_stopped() { grep -q '"stopped"' "$state/desired.json" 2>/dev/null; }

recorded_pid() {
  sed -n 's/.*"target": *{[^}]*"pid": *\([0-9]\{1,10\}\)[^0-9].*/\1/p' "$1" 2>/dev/null | head -n 1
}

# The shell can only ask again and again whether a process that is not its child has gone.
wait_for() {
  while kill -0 "$1" 2>/dev/null && [ "$waited" -lt "$longest" ] && pending; do
    sleep 1
    waited=$((waited + 1))
  done
}

bounded() {
  "$@" &
  started=$!
  # Its sleep outlives it by some seconds, and must not keep our caller's pipes open.
  (
    sleep "$bound"
    kill "$started"
  ) </dev/null >/dev/null 2>&1 &
  guard=$!
  wait "$started"
  kill "$guard" 2>/dev/null
}

the_least() {
  waited=0
  for record in "$intents"/pending/*.json; do
    pid=$(recorded_pid "$record")
    [ -z "$pid" ] || wait_for "$pid"
  done
  pending || return 0
  is_stopped && return 0
  echo "hermes-restarter: no driver can run (exit code $code): $*" >&2
  bounded "$@"
}

open_log
names() { ls -A "$intents/pending" 2>/dev/null; }
usable() { [ -x "$python" ] && echo yes; }

# Wait until it is time to try again, or there is another record or another Python.
rest() {
  slept=0 had=$(names) could=$(usable)
  while [ "$slept" -lt "$again" ] && [ "$(names)" = "$had" ] && [ "$(usable)" = "$could" ]; do
    sleep 10
    slept=$((slept + 10))
  done
  again=$((again * 2))
  [ "$again" -le "$seldom" ] || again=$seldom
}

while pending; do
  left=$(names)
  if drive_somehow; then
    [ "$code" -eq 75 ] && exit 0
    # What no driver can finish or set aside would have a level-triggered watch start us again at once, for ever.
    pending && [ "$(names)" = "$left" ] && sleep 10
    again=10
    continue
  fi
  the_least "$@"
  pending && rest
  open_log
done
is_update_cut_off && drive_somehow
exit 0
