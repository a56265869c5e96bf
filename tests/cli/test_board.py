"""What the board says of a stack after it is up, and what `earshot status` does."""

import itertools
import os
import re
import threading
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from earshot_cli.app import app
from earshot_cli.board import Board
from earshot_cli.errors import NotFoundError
from earshot_local.events import Event, State

LOG = Path("/logs/dice-0.log")
CRASHED = Event(
    process="dice-0",
    state=State.CRASHED,
    text="ended with exit code 1 before it was ready; restarting in 0.5 s",
    log_tail=("Traceback (most recent call last):", "NameError: name 'secret' is not defined"),
    log=LOG,
)
AGAIN = Event(
    process="dice-0", state=State.CRASHED, text="restarting in 1.0 s", log_tail=CRASHED.log_tail, repeated=True
)
STARTING = Event(process="dice-0", state=State.STARTING, text="starting")
READY = Event(process="dice-0", state=State.READY, text="ready")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_crash_loop_is_one_story(terminal):
    """A process that keeps crashing is told once, with its lines and its log, and once more when it is ready again."""
    said = StringIO()
    board = Board(Console(file=said, force_terminal=terminal, color_system=None, width=200))
    board.watch({})
    for event in (CRASHED, STARTING, AGAIN, STARTING, AGAIN, STARTING, READY):
        board.hear(event)
    board.close()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r|process  state  pid  restarts", "", said.getvalue())
    lines = [line.strip() for line in plain.splitlines() if "dice" in line or "|" in line]
    assert lines == [
        "dice-0 ended with exit code 1 before it was ready; restarting in 0.5 s",
        "| Traceback (most recent call last):",
        "| NameError: name 'secret' is not defined",
        "all of its log: /logs/dice-0.log",
        "dice-0 ready",
    ]


def test_status_tells_how_everything_is(running):
    """Every process stands there with its state; for one that has crashed its last lines, and the exit code is 1."""
    running.write_status([process("asr-0", "ready")])
    assert CliRunner().invoke(app, ["status"]).exit_code == 0
    running.write_status([process("asr-0", "ready"), process("dice-0", "crashed", 4)])
    result = CliRunner().invoke(app, ["status"])
    assert result.exit_code == 1
    for told in ("asr-0", "crashed", "dice-0 ended", "NameError: name 'secret' is not defined", str(LOG)):
        assert told in result.stdout


def test_a_restart_that_fails_says_why(running):
    """What crashes again exits 1 with its lines, as soon as its new start has; a name that nobody has lists those that there are."""
    stopped = threading.Event()

    def crash_on() -> None:
        for restarts in itertools.count(4):
            running.write_status([process("asr-0", "ready"), process("dice-0", "crashed", restarts)])
            if stopped.wait(0.1):
                return

    running.write_status([process("asr-0", "ready"), process("dice-0", "crashed", 3)])
    crashing = threading.Thread(target=crash_on)
    crashing.start()
    result = CliRunner().invoke(app, ["restart", "dice"])
    stopped.set()
    crashing.join()
    assert result.exit_code == 1
    assert "NameError: name 'secret' is not defined" in result.stdout
    unknown = CliRunner().invoke(app, ["restart", "dic"])
    assert isinstance(unknown.exception, NotFoundError)
    assert "asr-0, dice-0" in str(unknown.exception)


def process(name, state, restarts=0):
    """Describe a process as its supervisor does."""
    crashed = state == "crashed"
    return {
        "name": name,
        "state": state,
        "pid": None if crashed else os.getpid(),
        "restarts": restarts,
        "log": str(LOG),
        "ending": "ended with exit code 1 before it was ready" if crashed else "",
        "log_tail": list(CRASHED.log_tail) if crashed else [],
    }
