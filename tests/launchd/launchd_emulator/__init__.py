"""A launchd for tests on Linux and macOS: real processes, faults on request, a clock that tests move, and a trace."""

from launchd_emulator.emulator import Launchd
from launchd_emulator.knobs import INFINITE, Knobs
from launchd_emulator.trace import Event

__all__ = ["INFINITE", "Event", "Knobs", "Launchd"]
