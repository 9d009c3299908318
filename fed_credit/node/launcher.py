"""The bank's own commands between SuperNode and app.

Flower's SuperExec starts a task by a command's name, found on its path. The bank's folder of
commands comes first there, so that ``flwr-clientapp`` is the bank's: it hands the task to the
worker, which looks at the bundle and runs the installed app. The names that belong to other kinds
of task, which would run code of a bundle too, lead to the same place and are refused there.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from flwr.supercore.constant import TASK_TYPE_TO_COMMAND

from fed_credit.files import replacing
from fed_credit.node.home import Home

# Started by a shell, since a #! line takes no long path and no blank. Only the standard library,
# and little of that: it starts once per task.
_SCRIPT = """\
#!/bin/sh
# Written by fed-credit; `fed-credit bank run` writes it anew.
'''exec' {python} -I -S "$0" "$@"
' '''
import json, os, select, socket, sys, time

started = time.monotonic()
HOME = {home!r}
PYTHON = {executable!r}
starter = os.getppid()
words = [os.path.basename(sys.argv[0]), *sys.argv[1:]]


def alone():
    module = ["-P", "-m", "fed_credit.node.worker", "--home", HOME, "--starter", str(starter)]
    os.execv(PYTHON, [PYTHON, *module, "--once", *words])


worker = socket.socket(socket.AF_UNIX)
here = os.open(".", os.O_RDONLY)
try:
    # A socket's address is short; its folder's may be long.
    os.chdir(HOME + "/state")
    worker.connect("worker.sock")
    worker.sendall(json.dumps({{"words": words, "started": started}}).encode() + b"\\n")
except OSError:
    os.fchdir(here)
    alone()
while not select.select([worker], [], [], 1.0)[0]:
    if os.getppid() != starter:
        sys.exit(1)
answer = json.loads(worker.recv(4096) or b'{{"code": 1}}')
if answer.get("fallback"):
    os.fchdir(here)
    alone()
sys.exit(answer["code"])
"""


def write_commands(home: Home) -> list[Path]:
    """Write the bank's commands into ``HOME/bin``.

    Parameters
    ----------
    home : Home
        The bank's.

    Returns
    -------
    list of Path
        One command for each kind of task that Flower knows, all alike.

    Raises
    ------
    FedCreditError
        If they cannot be written.
    """
    text = _SCRIPT.format(
        python=shlex.quote(sys.executable), home=str(home.root), executable=sys.executable
    )
    paths = [home.bin / name for name in sorted(set(TASK_TYPE_TO_COMMAND.values()))]
    for path in paths:
        with replacing(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
            temporary.chmod(0o755)
    return paths
