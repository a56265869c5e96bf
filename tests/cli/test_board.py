"""What the board says of a stack after it is up, and what `earshot status` does."""

import asyncio
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
from earshot_cli.errors import CliError, NotFoundError
from earshot_local.control import Control
from earshot_local.errors import StartError, UnknownProcessError
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


@pytest.fixture
def control(running):
    """Where a stack takes commands: it has a skill that can't start, and an asr that can."""

    async def restart(name):
        if name == "dice":
            raise StartError(
                f"dice-0 can't start: it ended\n  | {CRASHED.log_tail[1]}\ndice-0 goes on as it was (process 7)"
            )
        raise UnknownProcessError(name, ["asr-0", "dice-0"])

    with asyncio.Runner() as runner:
        taking = Control(running.control, restart)
        runner.run(taking.start())
        ended = asyncio.Event()
        thread = threading.Thread(target=lambda: runner.run(ended.wait()))
        thread.start()
        yield taking
        runner.get_loop().call_soon_threadsafe(ended.set)
        thread.join()
        runner.run(taking.stop())


@pytest.mark.usefixtures("control")
def test_a_restart_that_fails_says_why(running):
    """A successor that can't start exits 1 with its lines and what goes on; a name that nobody has lists those that there are."""
    running.write_status([process("asr-0", "ready"), process("dice-0", "ready")])
    failed = CliRunner().invoke(app, ["restart", "dice"])
    assert isinstance(failed.exception, CliError)
    assert failed.exception.code == "not_ready"
    for told in ("NameError: name 'secret' is not defined", "goes on as it was (process 7)"):
        assert told in str(failed.exception)
    unknown = CliRunner().invoke(app, ["restart", "dic"])
    assert isinstance(unknown.exception, NotFoundError)
    assert "asr-0, dice-0" in str(unknown.exception)


def test_services_that_run_elsewhere_are_not_restarted_here(running):
    """Of an attached stack nothing is ours to restart."""
    running.write_status([])
    refused = CliRunner().invoke(app, ["restart", "dice"])
    assert isinstance(refused.exception, NotFoundError)
    assert "elsewhere" in str(refused.exception)


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
