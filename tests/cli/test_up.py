"""`earshot up` as a process of its own, with the bus and the trace store alone."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from earshot_local import SERVICES

EARSHOT = Path(sys.executable).with_name("earshot")
NOTHING = ",".join(f"{service.name}=0" for service in SERVICES)


@pytest.fixture
def environment(home):
    """The environment of the commands."""
    return os.environ | {"EARSHOT_HOME": str(home.root)}


def test_it_starts_is_found_refuses_a_second_one_and_ends(environment):
    """One document says what runs; other commands find it; Ctrl-C ends it with exit code 0 and leaves no process."""
    arguments = [EARSHOT, "up", "--json", "--scale", NOTHING]
    up = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        document = _document(up)
        assert {process["name"]: process["state"] for process in document["processes"]} == {
            "nats-server": "ready",
            "tracestore": "ready",
        }
        listed = subprocess.run([EARSHOT, "turns", "--json"], env=environment, capture_output=True, check=True)
        assert json.loads(listed.stdout) == {"turns": []}
        before = next(process for process in document["processes"] if process["name"] == "tracestore")
        command = [EARSHOT, "restart", "tracestore", "--json"]
        anew = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
        assert [process["state"] for process in anew["processes"]] == ["ready"]
        assert anew["processes"][0]["pid"] != before["pid"]
        second = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert json.loads(second.stdout)["error"]["code"] == "already_running"
        assert str(up.pid) in second.stderr
    finally:
        up.send_signal(signal.SIGINT)
        _, said = up.communicate(timeout=20)
    assert up.returncode == 0
    assert said.index("nats-server starting") < said.index("nats-server ready")
    assert said.index("stopping") < said.index("no process is left")
    assert "killed" not in said
    assert not [process for process in document["processes"] + anew["processes"] if psutil.pid_exists(process["pid"])]


def test_a_skill_that_can_not_start_is_told_and_left_out(environment):
    """The stack is up without it; `earshot status` shows it as crashed, with the lines of its latest start, and exits 1."""
    scale = ",".join(f"{service.name}={int(service.name == 'clock')}" for service in SERVICES)
    arguments = [EARSHOT, "up", "--json", "--scale", scale]
    broken = environment | {"EARSHOT_SKILL_WEIGHT": "heavy"}
    up = subprocess.Popen(arguments, env=broken, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        document = _document(up)
        states = {process["name"]: process["state"] for process in document["processes"]}
        assert states.pop("clock-0") != "ready"
        assert set(states.values()) == {"ready"}
        command = [EARSHOT, "status", "--json"]
        found: dict[str, str] = {}
        while found.get("state") != "crashed":
            listed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert listed.returncode == 1
            found = {process["name"]: process for process in json.loads(listed.stdout)["processes"]}["clock-0"]
        assert "skill_weight" in "".join(found["log_tail"])
        assert "skill_weight" in Path(found["log"]).read_text()
    finally:
        up.send_signal(signal.SIGINT)
        _, said = up.communicate(timeout=20)
    assert up.returncode == 0
    assert said.count("skill_weight") == 1, "told once, not at each start"
    assert "without clock-0" in said


def _document(process):
    lines = []
    while not lines or lines[-1] != "}\n":
        line = process.stdout.readline()
        assert line, process.stderr.read()
        lines.append(line)
    return json.loads("".join(lines))
