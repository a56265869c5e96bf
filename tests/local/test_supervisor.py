"""The supervisor, with a real nats-server and small dummy services."""

import asyncio
import os
import signal
import socket
import stat
from dataclasses import replace

import psutil
import pytest

from earshot_local import Stack
from earshot_local.errors import AlreadyRunningError, InvalidScaleError, NotRunningError, StartError
from earshot_local.events import State
from support.stacks import Watcher, alive, dummy, gone


async def test_starts_every_replica_and_ends_all_of_them(tmp_path):
    """Everything named by the scale runs and is ready; after the block no process is left."""
    async with Stack(home=tmp_path, services=(dummy(),), scale={"asr": 2}, tracestore=False) as stack:
        await stack.ready(10)
        pids = {name: child.pid for name, child in stack.processes.items()}
        assert set(pids) == {"nats-server", "asr-0", "asr-1"}
        assert len(stack.grpc_target("asr").split(",")) == 2
        assert stack.http("asr", 1) != stack.http("asr", 0)
    assert await gone(*pids.values())


async def test_a_crashed_process_is_restarted_and_said_so(tmp_path):
    """A killed service comes back with another process id, and the listener hears why it ended."""
    watcher = Watcher()
    async with Stack(home=tmp_path, services=(dummy(),), listener=watcher, tracestore=False) as stack:
        await stack.ready(10)
        first = stack.processes["asr-0"].pid
        os.kill(first, signal.SIGKILL)
        crash = await watcher.until("asr-0", State.CRASHED)
        assert "SIGKILL" in crash.text
        assert "restarting in" in crash.text
        await watcher.until("asr-0", State.READY, 2)
        assert stack.processes["asr-0"].pid != first
        assert stack.processes["asr-0"].restarts == 1


async def test_a_killed_nats_server_comes_back_on_its_port(tmp_path):
    """The bus keeps its address over a crash, so that services find it again."""
    watcher = Watcher()
    async with Stack(home=tmp_path, services=(), listener=watcher, tracestore=False) as stack:
        url = stack.nats_url
        os.kill(stack.processes["nats-server"].pid, signal.SIGKILL)
        await watcher.until("nats-server", State.READY, 2)
        assert stack.nats_url == url


async def test_a_start_that_fails_is_told_with_its_own_lines(tmp_path):
    """The first crash of a start shows what that start wrote, and later ones are marked as the same; waits grow meanwhile."""
    watcher = Watcher()
    async with Stack(home=tmp_path, services=(dummy("asr", "crash"),), listener=watcher, tracestore=False) as stack:
        third = await watcher.until("asr-0", State.CRASHED, 3)
        first = watcher.of("asr-0", State.CRASHED)[0]
        lines = ("dummy asr-0", "the reason of the crash")
        assert (first.log_tail, third.log_tail) == (lines, lines)
        assert (first.repeated, third.repeated) == (False, True)
        assert first.log == stack.home.logs / "asr-0.log"
        assert "before it was ready" in first.text
        assert "2.0 s" in third.text


async def test_what_can_not_start_is_not_waited_for(tmp_path):
    """Waiting for a stack ends when a process has ended three times and was never ready: with its lines and its log."""
    async with Stack(home=tmp_path, services=(dummy("asr", "crash"),), tracestore=False) as stack, asyncio.timeout(20):
        for wait in (stack.ready, stack.answering):
            with pytest.raises(StartError, match=r"asr-0 can't start(?s:.*)the reason of the crash(?s:.*)asr-0\.log"):
                await wait(600)
        assert stack.processes["asr-0"].restarts >= 3


async def test_a_skill_that_can_not_start_costs_nobody_else_anything(tmp_path):
    """The rest is up at once; a skill is told as crashed and started again: it is ready when it has been mended."""
    watcher = Watcher()
    mended = tmp_path / "mended"
    async with Stack(
        home=tmp_path / "home",
        services=(dummy("asr"), replace(dummy("clock", "broken"), role="skill-clock")),
        env={"DUMMY_MENDED": str(mended)},
        listener=watcher,
        tracestore=False,
    ) as stack:
        (broken,) = await stack.answering(20)
        told = {process["name"]: process for process in stack.home.processes()}
        assert broken.name == "clock-0"
        assert told["asr-0"]["state"] == "ready"
        # It may be starting once more by now.
        assert told["clock-0"]["state"] in {"crashed", "starting"}
        assert told["clock-0"]["restarts"] >= 3
        mended.touch()
        await watcher.until("clock-0", State.READY)
        assert not await stack.answering(20)
        os.kill(broken.pid, signal.SIGTERM)
        await watcher.until("clock-0", State.READY, 2)
        ended = watcher.of("clock-0", State.CRASHED)[-1]
        assert ended.text == "ended with exit code 0; restarting in 0.5 s", "what was mended begins anew"
        assert not ended.log_tail


async def test_a_change_of_its_files_starts_it_at_once(tmp_path, monkeypatch):
    """What waits to be started again does not when one of its files has changed; compiled ones do not count."""
    monkeypatch.setattr("earshot_local.backoff.FIRST_S", 600.0)
    monkeypatch.setattr("earshot_local.backoff.LONGEST_S", 600.0)
    package, mended = tmp_path / "site" / "dice", tmp_path / "mended"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(package.parent))
    broken = replace(dummy("clock", "broken"), role="skill-clock", module="dice")
    watcher = Watcher()
    env = {"DUMMY_MENDED": str(mended)}
    async with Stack(home=tmp_path / "home", services=(broken,), env=env, listener=watcher, tracestore=False) as stack:
        await watcher.until("clock-0", State.CRASHED)
        mended.touch()
        (package / "__pycache__" / "dice.pyc").touch()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stack.processes["clock-0"].ready(), 1.2)
        (package / "dice.yaml").touch()
        await watcher.until("clock-0", State.READY)


async def test_a_skill_that_hangs_is_waited_for_only_so_long(tmp_path):
    """One that neither ends nor becomes ready is told; the others are there."""
    silent = replace(dummy("clock", "mute"), role="skill-clock")
    async with Stack(home=tmp_path, services=(dummy("asr"), silent), tracestore=False) as stack:
        (late,) = await stack.answering(20, patience_s=0.1)
        assert (late.name, late.state) == ("clock-0", State.STARTING)


async def test_a_bus_that_can_not_start_is_told(tmp_path):
    """Where the bus's storage can't be used, the start ends with what nats-server says about it."""
    (tmp_path / "nats").mkdir()
    (tmp_path / "nats" / "jetstream").write_text("no folder")
    with pytest.raises(StartError, match=r"nats-server can't start(?s:.*)storage directory"):
        await Stack(home=tmp_path, services=(), tracestore=False).__aenter__()


async def test_a_process_that_ignores_sigterm_is_ended_with_its_family(tmp_path):
    """What does not stop in time is killed, and so is everything that it started; the listener hears of it."""
    note = tmp_path / "child"
    watcher = Watcher()
    async with Stack(
        home=tmp_path / "home",
        services=(dummy("asr", "stubborn", "family"),),
        env={"DUMMY_CHILD": str(note)},
        listener=watcher,
        tracestore=False,
        grace_s=0.3,
    ) as stack:
        await stack.ready(10)
        child = stack.processes["asr-0"]
        leader, member = child.pid, int(note.read_text())
        assert alive(member)
    assert await gone(leader, member)
    assert child.exit_status == -signal.SIGKILL
    assert "killed" in (await watcher.until("asr-0", State.STOPPED)).text


async def test_a_second_stack_of_the_same_folder_is_refused(tmp_path):
    """One stack a folder: the second one says who holds it, and takes nothing from the first."""
    async with Stack(home=tmp_path, services=(dummy(),), tracestore=False) as first:
        await first.ready(10)
        with pytest.raises(AlreadyRunningError, match=str(os.getpid())):
            await Stack(home=tmp_path, services=(), tracestore=False).__aenter__()
        assert first.home.running().nats_url == first.nats_url
        assert all(child.state is State.READY for child in first.processes.values())
    with pytest.raises(NotRunningError):
        first.home.running()


async def test_twice_in_a_row_is_safe(tmp_path):
    """A folder can be used again: its keys, its streams and its logs of the time before are kept."""
    for _ in range(2):
        async with Stack(home=tmp_path, services=(dummy(),), tracestore=False) as stack:
            await stack.ready(10)
    assert (tmp_path / "logs" / "asr-0.previous.log").exists()
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


async def test_a_port_in_use_is_stepped_around(tmp_path):
    """A well-known port that somebody else has is not waited for: another one is taken."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 4222))
            taken.listen()
        except OSError:
            pass  # somebody has it already: just what is wanted
        async with Stack(home=tmp_path, services=(), tracestore=False, fixed_ports=True) as stack:
            assert stack.nats_url != "nats://127.0.0.1:4222"


@pytest.mark.parametrize("scale", [{"nobody": 1}, {"asr": 17}, {"asr": -1}])
async def test_an_impossible_scale_is_refused_before_anything_starts(tmp_path, scale):
    """A scale that names no service, or too many of one, starts nothing."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with pytest.raises(InvalidScaleError):
        await Stack(home=tmp_path, services=(dummy(),), scale=scale, tracestore=False).__aenter__()
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


async def test_a_service_may_start_after_others(tmp_path):
    """It waits until they are ready, and does not wait for ever for one that never is."""
    watcher = Watcher()
    late = replace(dummy("nlu"), after=("asr",))
    async with Stack(home=tmp_path, services=(late, dummy("asr")), listener=watcher, tracestore=False) as stack:
        await stack.ready(10)
    order = [(event.process, event.state) for event in watcher.events]
    assert order.index(("asr-0", State.READY)) < order.index(("nlu-0", State.STARTING))


@pytest.mark.parametrize("mode", ["crash", "mute"])
async def test_a_service_does_not_wait_for_ever(tmp_path, monkeypatch, mode):
    """One that crashes does not delay the others that come after it, one that never becomes ready only for a while."""
    monkeypatch.setattr("earshot_local.child._AFTER_S", 0.2 if mode == "mute" else 600.0)
    late = replace(dummy("nlu"), after=("asr",))
    services = (late, dummy("asr", mode))
    async with Stack(home=tmp_path, services=services, tracestore=False) as stack, asyncio.timeout(20):
        await stack.processes["nlu-0"].ready()
