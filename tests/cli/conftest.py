"""A state folder that tells of a running stack, whose trace store and dialogue are the test's own."""

import os
import threading
import time
from concurrent import futures

import grpc
import pytest
import uvicorn
from typer.testing import CliRunner

from earshot.dialogue.v1 import assistant_pb2_grpc
from earshot.dialogue.v1.assistant_pb2 import ConverseResponse
from earshot.dialogue.v1.outcome_pb2 import OutcomeKind
from earshot_cli.app import app
from earshot_local.home import Home, Running
from earshot_tracestore.api import application
from earshot_tracestore.store import Store


class FakeAssistant(assistant_pb2_grpc.AssistantServicer):
    """Answers every text but two with what it was asked; another is not understood."""

    def Converse(self, request, context):
        """Answer."""
        if request.text == "refuse":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "text_too_long")
        if request.text == "fail":
            context.abort(grpc.StatusCode.INTERNAL, "internal error")
        response = ConverseResponse()
        sorry = request.text == "be sorry"
        lost = request.text == "what did you say"
        kind = OutcomeKind.OUTCOME_KIND_APOLOGISED if sorry else OutcomeKind.OUTCOME_KIND_ANSWERED
        outcome = response.outcomes.add(kind=kind, intent="" if lost else "clock.get_time", final=True)
        outcome.turn.turn_id = "t1"
        outcome.prompts.add(text=f"You asked: {request.text}", locale=request.locale)
        slot = outcome.hypothesis.slots.add(name="city", text="tokyo")
        slot.value.string_value = "Tokyo"
        outcome.hypothesis.slots.add(name="wait", text="a minute").value.duration_value.FromSeconds(60)
        return response


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty state folder that the command is pointed at."""
    monkeypatch.setenv("EARSHOT_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return Home(tmp_path)


@pytest.fixture
def store(tmp_path):
    """A trace store."""
    opened = Store(tmp_path / "traces.sqlite", max_spans=1000, max_turns=1000)
    yield opened
    opened.close()


@pytest.fixture
def traces_url(store):
    """Where its API is served."""
    config = uvicorn.Config(
        application(store, lost_after_s=60, settled_after_s=10, max_body_bytes=1 << 20), port=0, log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def dialogue():
    """Where dialogue is served."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    assistant_pb2_grpc.add_AssistantServicer_to_server(FakeAssistant(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"ipv4:127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture
def running(home, traces_url, dialogue):
    """A state folder that tells of a running stack."""
    home.write_state(
        Running(
            pid=os.getpid(),
            nats_url="nats://127.0.0.1:1",
            traces_url=traces_url,
            otlp_endpoint="",
            grpc={"dialogue": dialogue},
            http={},
        )
    )
    return home


@pytest.fixture
def run():
    """Run a command that is expected to succeed; return what it printed on stdout."""

    def invoke(*arguments):
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return invoke
