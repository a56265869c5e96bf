"""A process is replaced by its successor, which starts beside it; a broken one takes nothing away."""

from __future__ import annotations

import asyncio
import json
import stat
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from earshot_local import Stack
from earshot_local.control import Control, ask
from earshot_local.errors import NotRunningError, StartError, UnknownProcessError
from earshot_local.events import State
from support.stacks import DUMMY, Watcher, dummy, gone


@asynccontextmanager
async def running(tmp_path: Path, *modes: str, replicas: int = 1, **settings):
    """Run a dummy service, which does what the file `spoiled` says when it is started anew."""
    stack = Stack(
        home=tmp_path / "home",
        services=(dummy("asr", "spoiled", *modes),),
        scale={"asr": replicas},
        env={"DUMMY_SPOILED": str(tmp_path / "spoiled")},
        tracestore=False,
        **settings,
    )
    async with stack:
        await stack.ready(20)
        yield stack


async def test_every_replica_gives_way_to_its_successor(tmp_path):
    """All processes are other ones in their old places; calls find them where they did, health where the stack says."""
    async with running(tmp_path, replicas=2) as stack:
        before = dict(stack.processes)
        pids, calls, health = [child.pid for child in before.values()], stack.grpc_target("asr"), stack.http("asr")
        new = await stack.restart("asr")
        assert [child.name for child in new] == ["asr-0", "asr-1"]
        assert list(stack.processes) == list(before)
        assert all(child.state is State.READY and child.pid not in pids for child in new)
        assert await gone(*pids[1:])
        assert stack.grpc_target("asr") == calls
        assert stack.http("asr") != health
        told = json.loads(stack.home.state.read_text())
        assert told["http"]["asr"] == [stack.http("asr", 0), stack.http("asr", 1)]
        assert {process["name"]: process["pid"] for process in stack.home.processes()} == {
            name: child.pid for name, child in stack.processes.items()
        }
        assert (stack.home.log_of("asr-0").read_text(), stack.home.log_of("asr-0.previous").read_text()) == (
            "dummy asr-0-1\n",
            "dummy asr-0\n",
        )
        (once_more,) = await stack.restart("asr-1")
        assert stack.home.log_of("asr-1").read_text() == "dummy asr-1-2\n"
        assert once_more is stack.processes["asr-1"]
    assert await gone(*(child.pid for child in new if child.pid))


@pytest.mark.parametrize(
    ("fault", "told"), [("crash", "the reason of the crash"), ("mute", r"not ready after 1 s: it is starting")]
)
async def test_a_broken_successor_takes_nothing_away(tmp_path, fault, told):
    """What ends, or never becomes ready, is told with its own lines; the old process has not noticed, and no other is left."""
    watcher = Watcher()
    async with running(tmp_path, listener=watcher) as stack:
        old = stack.processes["asr-0"]
        pid, heard = old.pid, len(watcher.events)
        (tmp_path / "spoiled").write_text(fault)
        with pytest.raises(
            StartError, match=rf"{told}(?s:.*)asr-0\.next\.log(?s:.*)goes on as it was \(process {pid}\)"
        ):
            await stack.restart("asr", 20 if fault == "crash" else 1)
        assert stack.processes["asr-0"] is old
        assert (old.pid, old.state, old.restarts) == (pid, State.READY, 0)
        assert watcher.events[heard:] == []
        assert stack.home.log_of("asr-0").read_text() == "dummy asr-0\n"
        # What it was is not what counts: mended, it takes over.
        (tmp_path / "spoiled").unlink()
        (new,) = await stack.restart("asr")
        assert new.pid != pid
        assert await gone(pid)


async def test_one_that_has_crashed_is_replaced_by_one_that_works(tmp_path):
    """A process that can't start is ended for good when its successor is ready; until then it is tried again as before."""
    (tmp_path / "spoiled").write_text("crash")
    stack = Stack(
        home=tmp_path / "home",
        services=(dummy("asr", "spoiled"),),
        env={"DUMMY_SPOILED": str(tmp_path / "spoiled")},
        tracestore=False,
    )
    async with stack:
        with pytest.raises(StartError):
            await stack.ready(20)
        with pytest.raises(StartError, match="the reason of the crash") as refused:
            await stack.restart("asr-0")
        assert "goes on" not in str(refused.value)
        (tmp_path / "spoiled").unlink()
        (new,) = await stack.restart("asr-0")
        assert (new.state, stack.processes["asr-0"]) == (State.READY, new)


async def test_a_stack_that_ends_in_the_middle_leaves_no_successor(tmp_path):
    """Whoever stops the stack while a successor starts ends that one, too, and whoever asked is told."""
    async with running(tmp_path) as stack:
        (tmp_path / "spoiled").write_text("mute")
        asking = asyncio.create_task(asyncio.to_thread(ask, stack.home.control, {"restart": "asr"}, 30))
        async with asyncio.timeout(20):
            while len(pids := _dummies()) < 2:
                await asyncio.sleep(0.02)
    with pytest.raises(NotRunningError):
        await asking
    assert await gone(*pids)


def _dummies() -> list[int]:
    """Return this process's dummy services."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if str(DUMMY) in child.cmdline():
                found.append(child.pid)
    return found


async def test_commands_come_by_a_socket_in_the_folder(tmp_path):
    """A restart that is asked for from outside names what runs then; unknown names and what is no command are refused."""
    async with running(tmp_path) as stack:
        assert not stat.S_IMODE(stack.home.root.stat().st_mode) & 0o077

        async def told(command):
            return await asyncio.to_thread(ask, stack.home.control, command, 30)

        assert (await told({"restart": "asr"}))["processes"] == [stack.processes["asr-0"].described()]
        unknown = await told({"restart": "as"})
        assert unknown["error"]["code"] == UnknownProcessError.code
        assert "nats-server, asr-0" in unknown["error"]["message"]
        for nonsense in ({"stop": "asr"}, {"restart": 7}, ["restart"]):
            assert (await told(nonsense))["error"]["code"] == "bad_command"
    with pytest.raises(NotRunningError):
        ask(stack.home.control, {"restart": "asr"}, 1)


async def test_a_folder_however_deep_takes_commands(tmp_path):
    """The length of a socket's address is no limit of the folder's path."""
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)

    async def refuse(name):
        raise UnknownProcessError(name, ["asr-0"])

    control = Control(deep / "control.sock", refuse)
    await control.start()
    answer = await asyncio.to_thread(ask, deep / "control.sock", {"restart": "nlu"}, 10)
    assert answer["error"]["code"] == "not_found"
    await control.stop()
    assert not list(deep.iterdir())
