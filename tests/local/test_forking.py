"""A forked service is what a started one is, and costs less."""

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from earshot_local import forking, forkserver, lean
from support.stacks import alive, gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")

# All that a process can see of how it was started, but for its ids.
_TOLD = """
import json, os, resource, signal, sys, threading
seen = {
    "argv": sys.argv[1:],
    "environment": dict(os.environ),
    "path": sys.path,
    "flags": str(sys.flags),
    "folder": os.getcwd(),
    "own_group": os.getpgid(0) == os.getpid(),
    "on_a_terminal": [os.isatty(number) for number in range(3)],
    "descriptors": sorted(os.listdir("/proc/self/fd")),
    "threads": os.listdir("/proc/self/task").__len__(),
    "children": str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss),
    "name": __name__,
    "main": sys.modules["__main__"].__file__,
    "handlers": {number.name: str(signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)},
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "ours": sorted(name for name in sys.modules if name.startswith("earshot")),
    "unbuffered": sys.stdout.write_through,
}
print(json.dumps(seen, sort_keys=True))
"""
_LISTED = 'import subprocess, os; print(subprocess.run(["ps", "-o", "args=", "-p", str(os.getpid())], capture_output=True).stdout)'
_FOREVER = "import signal; print('here', flush=True); signal.pause()"


class _Place:
    """A folder of modules, and what their processes have written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder / "output"
        self.started: list[forking.Process] = []

    def environment(self, **more: str) -> dict[str, str]:
        """Return what a stack would give a service, with this folder on the path."""
        own = {name: word for name, word in os.environ.items() if not name.startswith("PYTEST_")}
        return {**own, "PYTHONPATH": str(self.folder), "PYTHONUNBUFFERED": "1", **more}

    async def start(
        self, code: str, *arguments: str, module: str = "module", fresh: bool = False, **environment: str
    ) -> forking.Process:
        """Start a module of some code, as a service is."""
        (self.folder / f"{module}.py").write_text(code)
        with self.output.open("wb") as output:
            command = (sys.executable, "-P", lean.__file__, module, *arguments)
            process = await forking.start(command, self.environment(**environment), output, fresh=fresh)
        self.started.append(process)
        return process

    async def written(self, word: str) -> None:
        """Wait until a word has been written."""
        async with asyncio.timeout(30):
            while word not in self.output.read_text():
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[_Place]:
    """Return a folder; what was started there has ended afterwards."""
    one = _Place(tmp_path)
    yield one
    for process in one.started:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


def _forked(process: forking.Process) -> bool:
    return isinstance(process, forking._Forked)


@pytest.mark.parametrize("interrupted", [signal.SIG_IGN, signal.default_int_handler], ids=["ignored", "heard"])
async def test_a_fork_can_not_tell_that_it_is_none(place: _Place, interrupted: signal.Handlers):
    """It has the arguments, environment, path, output, descriptors, signals and modules of ours that a start from nothing has."""
    seen = []
    # A shell without job control has what it puts in the background ignore SIGINT.
    before = signal.signal(signal.SIGINT, interrupted)
    try:
        for fresh in (True, False):
            process = await place.start(_TOLD, "one", "two words", fresh=fresh, EARSHOT_WORD="早")
            assert await process.wait() == 0, place.output.read_text()
            assert _forked(process) is not fresh
            seen.append(json.loads(place.output.read_text()))
    finally:
        signal.signal(signal.SIGINT, before)
    assert (seen[0]["handlers"]["SIGINT"] == "1") is (interrupted is signal.SIG_IGN)
    assert seen[0]["environment"]["EARSHOT_WORD"] == "早"
    assert seen[0]["argv"] == ["one", "two words"]
    assert seen[1] == seen[0]


async def test_a_fork_is_listed_as_what_it_runs(place: _Place):
    """Whoever looks for a service among processes finds it."""
    process = await place.start(_LISTED, "word")
    assert await process.wait() == 0
    assert "-m module word" in place.output.read_text()


@pytest.mark.parametrize(
    ("code", "status", "written"),
    [
        ("pass", 0, ""),
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('no bus')", 1, "no bus"),
        ("raise ValueError('broken')", 1, "ValueError: broken"),
        ("import atexit; atexit.register(print, 'bye')", 0, "bye"),
        (
            "import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()",
            0,
            "late",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, ""),
    ],
)
async def test_a_fork_ends_as_a_process_does(place: _Place, code: str, status: int, written: str):
    """Its exit status is told, and its last words are its own."""
    process = await place.start(code)
    assert _forked(process)
    assert await process.wait() == status
    assert process.returncode == status
    assert written in place.output.read_text()


async def test_what_customises_the_interpreter_is_started_from_nothing(place: _Place):
    """A fork would go without what the path or the environment has the interpreter do at its start."""
    (place.folder / "sitecustomize.py").write_text("import sys; sys.customised = True")
    process = await place.start("import sys; print(sys.customised)")
    assert await process.wait() == 0, place.output.read_text()
    (place.folder / "sitecustomize.py").unlink()
    process = await place.start("import sys; print(sys.flags.optimize)", PYTHONOPTIMIZE="2")
    assert await process.wait() == 0
    assert place.output.read_text() == "2\n"


async def test_forks_end_with_their_server_and_the_next_has_another_one(place: _Place):
    """Nothing runs that nobody could be told the end of; the supervisor starts it again."""
    process = await place.start(_FOREVER)
    await place.written("here")
    os.kill(forking._SERVERS[-1]._process.pid, signal.SIGKILL)
    assert await process.wait() == -signal.SIGTERM
    assert await gone(process.pid)
    again = await place.start("print('again')")
    assert await again.wait() == 0
    assert place.output.read_text() == "again\n"


@pytest.mark.parametrize("ticks", [0, 1, 3])
async def test_a_start_that_nobody_waits_for_leaves_no_process(place: _Place, ticks: int):
    """Ended at any point of a start, a supervisor leaves none behind that it never knew of."""
    assert await (await place.start("pass")).wait() == 0
    starting = asyncio.create_task(place.start(_FOREVER, module="forever"))
    for _ in range(ticks):
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    # Forks come one after the other: whatever was asked for is there by now.
    assert await (await place.start("pass")).wait() == 0
    left = [process.pid for process in psutil.Process(forking._SERVERS[-1]._process.pid).children()]
    assert await gone(*left)


async def test_no_fork_is_left_when_its_supervisor_is_killed(place: _Place):
    """The server ends with whoever asked it, and its forks with it."""
    (place.folder / "module.py").write_text(_FOREVER)
    supervisor = f"""
import asyncio, os, sys
from pathlib import Path
from earshot_local import forking, lean
async def main():
    with Path({str(place.output)!r}).open("wb") as output:
        process = await forking.start((sys.executable, "-P", lean.__file__, "module"), dict(os.environ), output)
    print(process.pid, forking._SERVERS[-1]._process.pid, isinstance(process, forking._Forked), flush=True)
    await process.wait()
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", supervisor, env=place.environment(), stdout=subprocess.PIPE
    )
    pid, server, forked = (await process.stdout.readline()).split()
    assert forked == b"True"
    await place.written("here")
    assert alive(int(pid))
    process.kill()
    await process.communicate()
    assert await gone(int(pid), int(server))


def test_only_what_is_not_ours_is_imported_ahead():
    """A service that is started anew has our code as it is by then; a name that is gone would be imported by each."""
    assert [name for name in forkserver._AHEAD if name.startswith("earshot")] == []
    assert [name for name in forkserver._AHEAD if importlib.util.find_spec(name) is None] == []
