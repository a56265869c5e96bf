"""Exceptions in logs: what was raised and where, never what was said."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from earshot.asr.v1 import events_pb2
from earshot_chassis import telemetry
from earshot_chassis.bus import Bus
from earshot_chassis.consuming import Delivery
from earshot_chassis.errors import InvalidInputError, PermanentError
from earshot_chassis.failures import Formatter, described, log_unhandled
from earshot_chassis.settings import ServiceSettings
from earshot_topology.streams import NLU_TRANSCRIBED
from support.nats import nats_server

WORDS = "call my doctor"


def fail() -> None:
    """Raise what somebody else's code raises about a user's words."""
    said = WORDS
    try:
        {}[said]
    except KeyError as error:
        message = f"could not parse {said!r}"
        raise ValueError(message) from error


@contextlib.contextmanager
def logs(log_format: str) -> Iterator[None]:
    """Log as a service does, to the streams of the moment; forget it afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = []
    telemetry.start_logs("nlu", ServiceSettings(log_format=log_format))
    # Loggers that are kept would outlive the streams of this test.
    structlog.configure(cache_logger_on_first_use=False)
    try:
        yield
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_a_handler_that_crashes_is_logged_without_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, log_format: str
) -> None:
    """The line tells the types of the exception and its cause, and the frames from the bus to the culprit."""
    monkeypatch.setattr("earshot_chassis.consuming._log", telemetry.logger("consuming"))
    crashed = asyncio.Event()

    async def handle(_event: events_pb2.TurnTranscribed, _delivery: Delivery) -> None:
        crashed.set()
        fail()

    with logs(log_format):
        async with nats_server(tmp_path) as server:
            bus = Bus("nlu", ServiceSettings(nats_url=server.url))
            await bus.connect()
            bus.handler(NLU_TRANSCRIBED, events_pb2.TurnTranscribed, handle)
            await bus.start()
            await bus.publish("turn.transcribed", events_pb2.TurnTranscribed())
            async with asyncio.timeout(5):
                await crashed.wait()
            await bus.stop_consuming(5)
            await bus.close()
    written = "".join(capfd.readouterr())
    assert "handler_crashed" in written
    assert "ValueError" in written
    assert "caused by KeyError" in written
    assert "test_failures.py:" in written
    assert " fail" in written
    assert WORDS not in written


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_every_way_to_log_an_exception_leaves_its_message_out(
    capfd: pytest.CaptureFixture[str], log_format: str
) -> None:
    """An exception that is given, the current one, and those of the standard library's loggers."""
    with logs(log_format):
        log = telemetry.logger("test")
        try:
            fail()
        except ValueError as error:
            given: list[object] = [error, (type(error), error, error.__traceback__), True]
            for exc_info in given:
                log.error("given", exc_info=exc_info)  # noqa: TRY400 - the ways to give it are what is tested
            log.exception("current")
            logging.getLogger("library").exception("stdlib")
        log.error("none", exc_info=True)  # noqa: LOG014 - there is none
    written = "".join(capfd.readouterr())
    assert written.count("caused by KeyError") == 5
    assert WORDS not in written
    assert "none" in written


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_a_task_that_nobody_awaits_is_logged_without_words(
    capfd: pytest.CaptureFixture[str], log_format: str
) -> None:
    """The event loop's own complaint about a lost exception holds its type alone."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_unhandled)

    async def lost() -> None:
        fail()

    with logs(log_format):
        loop.call_soon(fail)
        task = asyncio.ensure_future(lost())
        await asyncio.sleep(0.01)
        del task
    written = capfd.readouterr().err
    assert written.count("ValueError") == 2
    assert "never retrieved" in written
    assert WORDS not in written


def test_our_own_errors_are_told_by_their_code() -> None:
    """An EarshotError's message is for its `reason`, not for the stack."""
    with contextlib.suppress(PermanentError):
        raise InvalidInputError(WORDS, code="unreadable")
    told = described(InvalidInputError(WORDS, code="unreadable"))
    assert told == "earshot_chassis.errors.InvalidInputError [unreadable]"


def test_long_stacks_and_groups_are_told_in_part() -> None:
    """A recursion is told by its innermost frames; of a group every member is."""

    def deeper(left: int) -> None:
        if not left:
            raise ExceptionGroup(WORDS, [KeyError(WORDS), TypeError(WORDS)])
        deeper(left - 1)

    with pytest.raises(ExceptionGroup) as caught:
        deeper(100)
    told = described(caught.value)
    assert "… 62 frames" in told
    assert told.splitlines()[-2:] == ["among them KeyError", "among them TypeError"]
    assert WORDS not in told
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "event", None, (ExceptionGroup, caught.value, None))
    assert WORDS not in Formatter().format(record)


def test_lines_of_libraries_are_json_too(capfd: pytest.CaptureFixture[str]) -> None:
    """Where logs are JSON, a line of the standard library's loggers is one: with its fields, without an exception's words."""
    with logs("json"):
        try:
            fail()
        except ValueError:
            logging.getLogger("some.library").warning('lost "%s"', "a connection", exc_info=True)
    (line,) = "".join(capfd.readouterr()).splitlines()
    told = json.loads(line)
    assert (told["service"], told["logger"], told["level"], told["event"]) == (
        "nlu",
        "some.library",
        "warning",
        'lost "a connection"',
    )
    assert told["exception"].startswith("ValueError")
    assert WORDS not in line
