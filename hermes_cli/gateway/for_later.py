"""What a gateway imports once it is ready: what a request for a restart imports when it is made (law: imports before the swap).

Nobody waits for it, and a gateway is ready a tenth earlier.
"""

from hermes_cli.installation import copy
from hermes_cli.intents import decide, queue, sign_of_life
from hermes_cli.restart import storm, wake
from hermes_cli.update import proof

IMPORTED = (copy, decide, proof, queue, sign_of_life, storm, wake)
