"""A hook of hermes-agent's own kind, for its home: runs in the gateway what a test writes into a pipe.

This is the place of the agent's turn, which would need a model: a command is a child of the gateway, in a session of its
own, as its terminal tool starts them; or it is given to that very tool.
"""

import json
import os
import subprocess
import threading
from pathlib import Path

PIPE = Path(__file__).parent / "turns"
LOG = Path(__file__).parent / "turns.log"


def _command(argv):
    with LOG.open("ab") as log:
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)


def _tool(command):
    from tools.terminal_tool import terminal_tool

    said = terminal_tool(command, force=True)  # force: a person has said yes
    with LOG.open("a") as log:
        log.write(f"{said}\n")


def _turns(loop):
    while True:
        with PIPE.open() as pipe:
            for line in pipe:
                asked = json.loads(line)
                if "argv" in asked:
                    _command(asked["argv"])
                elif "tool" in asked:
                    threading.Thread(target=_tool, args=(asked["tool"],), daemon=True).start()
                else:  # work that the interpreter waits for at its end
                    loop.call_soon_threadsafe(loop.run_in_executor, None, subprocess.run, asked["holds up"])


async def handle(event_type, context):
    import asyncio

    if not PIPE.exists():
        os.mkfifo(PIPE)
    threading.Thread(target=_turns, args=(asyncio.get_running_loop(),), daemon=True).start()
