"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earshot_cli.errors import BadArgumentError
from earshot_topology.subjects import InvalidTokenError, token


def id_option(parameter: typer.CallbackParam, value: str | None) -> str | None:
    """Return an option's value if it can be an id; empty: nobody in particular.

    Raises:
        BadArgumentError: It can't; the message names the option and what an id is made of.
    """
    try:
        return token(value) if value else value
    except InvalidTokenError as error:
        raise BadArgumentError(
            f"{parameter.opts[0]} {value[:80]!r}: an id has 1 to 64 letters, digits, - and _"  # type: ignore[index]
        ) from error


Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Household = Annotated[
    str,
    typer.Option("--household", envvar="EARSHOT_HOUSEHOLD", help="Household of the device.", callback=id_option),
]
DeviceId = Annotated[
    str,
    typer.Option("--device", envvar="EARSHOT_DEVICE", help="Serial number of the device.", callback=id_option),
]
Locale = Annotated[
    str | None,
    typer.Option(
        "--locale", envvar="EARSHOT_LOCALE", help="en-US or zh-CN; default: what the text is written in, else en-US."
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="WAV file for the answer; default: in the state folder.")]
Loud = Annotated[bool, typer.Option("--loud", help="Play the answer on the loudspeaker.")]
Scale = Annotated[str, typer.Option("--scale", help="Replicas, for instance asr=3,nlu=2; 0 leaves a service out.")]
Cluster = Annotated[
    int,
    typer.Option(
        "--cluster", help="nats-server nodes: 1, or 3 that keep three copies; they have storage of their own."
    ),
]

DEFAULT_HOUSEHOLD = "home"
DEFAULT_DEVICE = "kitchen"


def locale_of(text: str, given: str | None) -> str:
    """Return the given locale, or the one that the text is written in."""
    if given:
        return given
    return "zh-CN" if any("\u3400" <= character <= "\u9fff" for character in text) else "en-US"
