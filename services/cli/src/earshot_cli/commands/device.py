"""earshot device say | play | mic | wait: a device of the running stack."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from earshot_cli import lifetime, report
from earshot_cli.absent import hints
from earshot_cli.errors import BadArgumentError, UnreachableError
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

T = TypeVar("T")
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
    """Speak TEXT with a synthesised voice and wait for the answer; exits 1 when it is not answered."""
    if not text.strip() or len(text) > _MAX_TEXT:
        raise BadArgumentError(f"say something of 1 to {_MAX_TEXT} characters")
    from earshot_cli.spoken import Speaker  # noqa: PLC0415 - a second of imports that other commands don't need

    speaker = Speaker(household=household, device=device, locale=locale_of(text, locale), out=out, loud=loud)
    target = running_stack()
    target.grpc("tts")
    _turn(target, speaker, locale, Output(as_json=as_json), lambda spoken: spoken.say(text))


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
    """Speak a recording and wait for the answer; exits 1 when it is not answered."""
    from earshot_cli.spoken import Speaker, recording  # noqa: PLC0415

    samples, rate = recording(file)
    speaker = Speaker(household=household, device=device, locale=locale or "en-US", out=out, loud=loud)
    _turn(
        running_stack(),
        speaker,
        locale,
        Output(as_json=as_json),
        lambda spoken: spoken.play(file.name, samples, rate),
    )


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
    """Listen to the microphone for one utterance, and to follow-ups while the answer asks for one; exits 1 as `say` does."""
    from earshot_cli.spoken import Speaker, microphone, speaking  # noqa: PLC0415

    speaker = Speaker(household=household, device=device, locale=locale or "en-US", out=out, loud=not quiet)
    output = Output(as_json=as_json)
    target = running_stack()

    async def turns() -> bool:
        documents: list[dict[str, Any]] = []
        await _check(target, locale)
        async with speaking(target, speaker, _interim(output)) as spoken, microphone() as source:
            while not documents or documents[-1]["expects_reply"]:
                output.progress.print("listening …")
                documents.append(await spoken.listen(source))
                output.show(report.turn(documents[-1]), *hints(documents[-1], target.home.absences))
            output.document({"turns": documents})
            await spoken.until_quiet(output.progress)
        return report.done(documents[-1])

    if not _traced(target, turns()):
        raise typer.Exit(1)


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

    async def checked() -> None:
        await _check(target, locale)
        await waiting.wait(target, speaker, Output(as_json=as_json), locale)

    _traced(target, checked())


async def _check(target: Target, locale: str | None) -> None:
    """Refuse a locale that was asked for and that nobody speaks; where no TTS is or answers, nobody can tell."""
    from earshot_cli.services import check_locale  # noqa: PLC0415

    if locale and "tts" in target.running.grpc:
        with contextlib.suppress(UnreachableError):
            await check_locale(target.grpc("tts"), locale)


def _turn(
    target: Target,
    speaker: Speaker,
    locale: str | None,
    output: Output,
    speak: Callable[[Spoken], Awaitable[dict[str, Any]]],
) -> None:
    from earshot_cli.spoken import speaking  # noqa: PLC0415

    async def turn() -> bool:
        await _check(target, locale)
        async with speaking(target, speaker, _interim(output)) as spoken:
            document = await speak(spoken)
            output.show(report.turn(document), *hints(document, target.home.absences))
            output.document(document)
            await spoken.until_quiet(output.progress)
        return report.done(document)

    if not _traced(target, turn()):
        raise typer.Exit(1)


def _traced(target: Target, work: Coroutine[Any, Any, T]) -> T:
    from earshot_cli.telemetry import exported_to  # noqa: PLC0415

    with exported_to(target.running.otlp_endpoint):
        return lifetime.run(work)


def _interim(output: Output) -> Callable[[str], None]:
    return lambda transcript: output.show(f"[dim]    interim[/dim]  {transcript}")
