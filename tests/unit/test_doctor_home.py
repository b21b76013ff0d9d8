"""The doctor looks at a home that is not there yet: could it be made?"""

import os
import tempfile

CODE = """
import encodings.idna, os, sys
from hermes_cli.intents import file_system
from hermes_cli.paths import Paths
from hermes_cli.status import doctor
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
home = sys.argv[1] + "/closed/home"
found = list(doctor._of_the_queue(Paths("default", home + "/state", home, home), file_system.Suitability()))
assert [one.code for one in found] == ["queue"], found
assert "/closed cannot be written to" in found[0].text
assert list(doctor._of_room(Paths("default", home + "/state", home, home))) == []
os.chmod(sys.argv[1] + "/closed", 0o700)
assert list(doctor._of_the_queue(Paths("default", home + "/state", home, home), file_system.Suitability())) == []
"""


def test_a_home_that_cannot_be_made_is_a_problem(run_code) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as where:  # pytest's own directories are closed to other users
        os.chmod(where, 0o755)
        os.mkdir(f"{where}/closed", 0o500)
        if os.geteuid() == 0:
            os.chown(f"{where}/closed", 65534, 65534)
        run_code(CODE, where)
