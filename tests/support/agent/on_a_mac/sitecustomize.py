"""Told to every process of hermes-agent's environment where a `launchctl` is on PATH: this is a Mac.

hermes-agent asks three things of the machine that no emulator can answer: which system this is, whether systemd runs
it, and where the account's home is (the folder that its own `.hermes` lies in). Nothing else is answered for it, and
no file of its own is touched.
"""

import importlib.abc
import importlib.util
import os
import shutil
import sys
from pathlib import Path

_MODULE = "hermes_cli.gateway"


def _home() -> Path:
    """Return the folder of `.hermes`: HOME is another one in a profile's terminal."""
    home = Path(os.environ.get("HERMES_HOME") or Path.home() / ".hermes")
    return next((one.parent for one in (home, *home.parents) if one.name == ".hermes"), Path.home())


class _Answers(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            module.is_macos = lambda: True
            module.supports_systemd_services = lambda: False
            module._launchd_user_home = _home  # what it asks of the account's database

        spec.loader.exec_module = exec_module
        return spec


if shutil.which("launchctl"):
    sys.meta_path.insert(0, _Answers())
