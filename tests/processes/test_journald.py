"""Under systemd each log line goes into the journal as well, and never at the cost of the program."""

import socket
import struct

PROGRAM = """
import logging, sys
from hermes_cli.system import journal, log
journal.ADDRESS, path = sys.argv[1:3]
journal.Journal.__init__.__defaults__ = (journal.ADDRESS,)
log.configure(path, outputs=True)
logging.getLogger("hermes.test").warning("a word", exc_info=ValueError("one") if "lines" in sys.argv else None)
for number in range(int(sys.argv[3])):
    logging.getLogger("hermes.test").info("%d %s", number, "x" * 1000)
print("done", file=sys.__stdout__)
"""
SYSTEMD = {"JOURNAL_STREAM": "8:1", "INVOCATION_ID": "0" * 32}


def fields(datagram: bytes) -> dict[str, str]:
    found = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        if b"=" in line:
            name, _, value = line.partition(b"=")
            datagram = rest
        else:
            name, (size,) = line, struct.unpack("<Q", rest[:8])
            value, datagram = rest[8 : 8 + size], rest[9 + size :]
        found[name.decode()] = value.decode()
    return found


def run(children, address, log, *arguments, environment=None):
    child = children("-c", PROGRAM, address, log, *arguments, environment=environment or SYSTEMD)
    _, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (0, "")


def test_a_line_goes_into_the_file_and_the_journal(children, tmp_path):
    address, log = f"{tmp_path}/journal", f"{tmp_path}/gateway.log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(address)
        run(children, address, log, "0", "lines")
        run(children, address, log, "0")
        first, second = fields(journal.recv(65536)), fields(journal.recv(65536))
    assert (second["MESSAGE"], second["PRIORITY"], second["LOGGER"]) == ("hermes.test: a word", "4", "hermes.test")
    assert second["SYSLOG_IDENTIFIER"] == "hermes"
    assert first["MESSAGE"] == "hermes.test: a word\nValueError: one"
    with open(log, encoding="ascii") as file:
        assert "WARNING hermes.test: a word" in file.read()


def test_a_journal_that_nobody_reads_costs_nothing(children, tmp_path):
    address, log = f"{tmp_path}/journal", f"{tmp_path}/gateway.log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(address)
        run(children, address, log, "400")
    with open(log, encoding="ascii") as file:
        assert len(file.readlines()) == 402


def test_no_journal_and_no_manager_is_as_before(children, tmp_path):
    log = f"{tmp_path}/gateway.log"
    run(children, f"{tmp_path}/nobody", log, "0")
    run(children, f"{tmp_path}/nobody", log, "0", environment={"JOURNAL_STREAM": ""})
    with open(log, encoding="ascii") as file:
        assert file.read().count("a word") == 2
