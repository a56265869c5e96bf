"""Processes never outlive their supervisor."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from earshot_local import orphans
from support.stacks import alive, gone

SUPERVISING = Path(__file__).with_name("supervising.py")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_no_process_is_left_however_the_supervisor_ends(tmp_path, number):
    """Ctrl-C, SIGTERM and even SIGKILL of the supervisor leave neither nats-server nor a service behind."""
    if number == signal.SIGKILL and sys.platform != "linux":
        pytest.skip("only Linux tells a child that its parent died; elsewhere the next start cleans up")
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, str(SUPERVISING), str(tmp_path), stdout=subprocess.PIPE
    )
    pids = [int(pid) for pid in (await supervisor.stdout.readline()).split()]
    assert len(pids) == 2
    assert all(alive(pid) for pid in pids)
    supervisor.send_signal(number)
    await supervisor.communicate()
    assert await gone(*pids)


def test_what_a_killed_supervisor_left_is_ended_by_the_next(tmp_path):
    """A recorded process is ended, with its group."""
    left = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"], start_new_session=True)
    orphans.record(tmp_path / "processes.json", [left.pid])
    assert orphans.end_recorded(tmp_path / "processes.json") == 1
    assert left.wait(5) == -signal.SIGKILL


def test_a_reused_process_id_is_never_hit(tmp_path):
    """A process with a recorded id but another start time is a stranger."""
    stranger = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        record = tmp_path / "processes.json"
        record.write_text(json.dumps([[stranger.pid, psutil.Process(stranger.pid).create_time() - 100]]))
        assert orphans.end_recorded(record) == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("content", ["", "not json"])
def test_an_unreadable_record_is_no_obstacle(tmp_path, content):
    """A half-written record means that there is nothing to clean up by it."""
    (tmp_path / "processes.json").write_text(content)
    assert orphans.end_recorded(tmp_path / "processes.json") == 0
