"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Household = Annotated[str, typer.Option("--household", envvar="EARSHOT_HOUSEHOLD", help="Household of the device.")]
DeviceId = Annotated[str, typer.Option("--device", envvar="EARSHOT_DEVICE", help="Serial number of the device.")]
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
