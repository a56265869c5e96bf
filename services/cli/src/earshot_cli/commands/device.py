"""earshot device say | play | mic | wait: a device of the running stack."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earshot_cli import lifetime, report
from earshot_cli.errors import BadArgumentError
from earshot_cli.options import (
    DEFAULT_DEVICE,
    DEFAULT_HOUSEHOLD,
    DeviceId,
    Household,
    Json,
    Locale,
    Loud,
    Out,
    locale_of,
)
from earshot_cli.output import Output
from earshot_cli.stackfinder import Target, running_stack

if TYPE_CHECKING:
    from earshot_cli.spoken import Speaker, Spoken

app = typer.Typer(help="Be a device: speak to the running stack.", no_args_is_help=True)

_MAX_TEXT = 1000


@app.command()
def say(
    text: Annotated[str, typer.Argument(help="What to say; it is synthesised.")],
    *,
    locale: Locale = None,
    household: Household = DEFAULT_HOUSEHOLD,
    device: DeviceId = DEFAULT_DEVICE,
    out: Out = None,
    loud: Loud = False,
    as_json: Json = False,
) -> None:
    """Speak TEXT with a synthesised voice and wait for the answer."""
    if not text.strip() or len(text) > _MAX_TEXT:
        raise BadArgumentError(f"say something of 1 to {_MAX_TEXT} characters")
    from earshot_cli.spoken import Speaker  # noqa: PLC0415 - a second of imports that other commands don't need

    speaker = Speaker(household=household, device=device, locale=locale_of(text, locale), out=out, loud=loud)
    target = running_stack()
    target.grpc("tts")
    _turn(target, speaker, Output(as_json=as_json), lambda spoken: spoken.say(text))


@app.command()
def play(
    file: Annotated[Path, typer.Argument(help="WAV, FLAC or Ogg.", exists=True, dir_okay=False, readable=True)],
    *,
    locale: Locale = None,
    household: Household = DEFAULT_HOUSEHOLD,
    device: DeviceId = DEFAULT_DEVICE,
    out: Out = None,
    loud: Loud = False,
    as_json: Json = False,
) -> None:
    """Speak a recording and wait for the answer."""
    from earshot_cli.spoken import Speaker  # noqa: PLC0415

    speaker = Speaker(household=household, device=device, locale=locale or "en-US", out=out, loud=loud)
    _turn(running_stack(), speaker, Output(as_json=as_json), lambda spoken: spoken.play(file))


@app.command()
def mic(
    *,
    locale: Locale = None,
    household: Household = DEFAULT_HOUSEHOLD,
    device: DeviceId = DEFAULT_DEVICE,
    out: Out = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Don't play the answer on the loudspeaker.")] = False,
    as_json: Json = False,
) -> None:
    """Listen to the microphone for one utterance, and to follow-ups while the answer asks for one."""
    from earshot_cli.spoken import Speaker, microphone, speaking  # noqa: PLC0415

    speaker = Speaker(household=household, device=device, locale=locale or "en-US", out=out, loud=not quiet)
    output = Output(as_json=as_json)
    target = running_stack()

    async def turns() -> None:
        documents: list[dict[str, Any]] = []
        async with speaking(target, speaker, _interim(output)) as spoken, microphone() as source:
            while not documents or documents[-1]["expects_reply"]:
                output.progress.print("listening …")
                documents.append(await spoken.listen(source))
                output.show(report.turn(documents[-1]))
            output.document({"turns": documents})
            await spoken.until_quiet(output.progress)

    _traced(target, turns())


@app.command()
def wait(
    *,
    locale: Locale = None,
    household: Household = DEFAULT_HOUSEHOLD,
    device: DeviceId = DEFAULT_DEVICE,
    loud: Loud = False,
    as_json: Json = False,
) -> None:
    """Stay on and ring when something is due. What you type is spoken, Enter stops what rings, Ctrl-C ends it."""
    from earshot_cli import waiting  # noqa: PLC0415
    from earshot_cli.spoken import Speaker  # noqa: PLC0415

    speaker = Speaker(household=household, device=device, locale=locale or "en-US", loud=loud)
    target = running_stack()
    target.grpc("tts")
    _traced(target, waiting.wait(target, speaker, Output(as_json=as_json), locale))


def _turn(
    target: Target, speaker: Speaker, output: Output, speak: Callable[[Spoken], Awaitable[dict[str, Any]]]
) -> None:
    from earshot_cli.spoken import speaking  # noqa: PLC0415

    async def turn() -> None:
        async with speaking(target, speaker, _interim(output)) as spoken:
            document = await speak(spoken)
            output.show(report.turn(document))
            output.document(document)
            await spoken.until_quiet(output.progress)

    _traced(target, turn())


def _traced(target: Target, work: Coroutine[Any, Any, None]) -> None:
    from earshot_cli.telemetry import exported_to  # noqa: PLC0415

    with exported_to(target.running.otlp_endpoint):
        lifetime.run(work)


def _interim(output: Output) -> Callable[[str], None]:
    return lambda transcript: output.show(f"[dim]    interim[/dim]  {transcript}")
