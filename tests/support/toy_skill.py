"""A small skill for tests of the runtime: its folder on disk, and its code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from earshot_skillkit import Host, Pause, Reply, Request, Skill, SourceUnavailableError, Step, Stop, intent

MANIFEST = """
id: toy
locales: [en-US, zh-CN]
timeout_s: 2
effect_guarantee: exactly_once
intents:
  greet: {summary: Says hello., slots: {name: {type: text, required: true}, times: {type: number}}}
  stream: {summary: Answers in pieces.}
  sleep: {summary: Takes too long.}
  fail: {summary: Fails.}
  crash: {summary: Breaks.}
  endless: {summary: Never ends its answer.}
  silent: {summary: Says nothing.}
  halt: {summary: Stops., effect: true}
"""

SENTENCES = """
language: {locale}
intents:
  greet: {{data: [{{sentences: ["{greet} {{name}}", "{greet}"]}}]}}
  stream: {{data: [{{sentences: ["stream"]}}]}}
  sleep: {{data: [{{sentences: ["sleep"]}}]}}
  fail: {{data: [{{sentences: ["fail"]}}]}}
  crash: {{data: [{{sentences: ["crash"]}}]}}
  endless: {{data: [{{sentences: ["endless"]}}]}}
  silent: {{data: [{{sentences: ["silent"]}}]}}
  halt: {{data: [{{sentences: ["halt"]}}]}}
lists:
  name: {{values: [Ada, Bo]}}
"""

RESPONSES = {
    "en-US": """
ask.greet.name: "Whom?"
hello: "Hello {{ name }}{% if count %}, {{ count }} times{% endif %}."
wait: "One moment."
part: "Part {{ number }}."
halted: "Halted."
""",
    "zh-CN": """
ask.greet.name: "谁？"
hello: "你好，{{ name }}。"
wait: "请稍等。"
part: "第{{ number }}部分。"
halted: "停了。"
""",
}


def write_toy(folder: Path) -> Path:
    """Write the toy's folder and return it."""
    (folder / "sentences").mkdir(parents=True)
    (folder / "responses").mkdir()
    (folder / "manifest.yaml").write_text(MANIFEST, "utf-8")
    for locale, greet in (("en-US", "greet"), ("zh-CN", "问候")):
        (folder / "sentences" / f"{locale}.yaml").write_text(SENTENCES.format(locale=locale, greet=greet), "utf-8")
        (folder / "responses" / f"{locale}.yaml").write_text(RESPONSES[locale], "utf-8")
    return folder


class Toy(Skill):
    """Handlers for every way in which a handler can behave."""

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.closed_streams = 0

    @intent("greet")
    async def greet(self, request: Request) -> Reply:
        """Answer, or ask."""
        name = request.text("name")
        if name is None:
            return request.ask("name")
        count = request.number("times")
        return request.respond("hello", name=name, count=int(count) if count else 0, context={"last": name})

    @intent("stream")
    async def stream(self, request: Request) -> AsyncIterator[Step]:
        """Fill, then answer in two pieces with a directive each."""
        try:
            yield request.filler("wait")
            yield request.respond("part", number=1, directives=[Pause()], final=False)
            yield request.respond("part", number=2, directives=[Stop()])
        finally:
            self.closed_streams += 1

    @intent("sleep")
    async def sleep(self, request: Request) -> Reply:
        """Take an hour."""
        await asyncio.sleep(3600)
        return request.respond("halted")

    @intent("fail")
    async def fail(self, _request: Request) -> Reply:
        """Fail as a source outside makes a skill fail."""
        raise SourceUnavailableError("the source is away")

    @intent("crash")
    async def crash(self, _request: Request) -> Reply:
        """Fail as a mistake makes a skill fail."""
        raise ZeroDivisionError

    @intent("endless")
    async def endless(self, request: Request) -> AsyncIterator[Step]:
        """Forget the final segment."""
        yield request.respond("part", number=1, final=False)

    @intent("silent")
    async def silent(self, request: Request) -> Reply:
        """Answer with nothing."""
        return request.act()

    @intent("halt")
    async def halt(self, request: Request) -> Reply:
        """Change the world."""
        return request.respond("halted", directives=[Stop()])
