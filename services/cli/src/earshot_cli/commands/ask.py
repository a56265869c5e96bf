"""earshot ask: one typed turn."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from earshot_cli import lifetime, report
from earshot_cli.absent import hints
from earshot_cli.options import DEFAULT_DEVICE, DEFAULT_HOUSEHOLD, DeviceId, Household, Json, Locale, locale_of
from earshot_cli.output import Output
from earshot_cli.stackfinder import running_stack
from earshot_cli.timezone import local_time_zone


def ask(
    text: Annotated[str, typer.Argument(help="What to ask.")],
    *,
    locale: Locale = None,
    household: Household = DEFAULT_HOUSEHOLD,
    device: DeviceId = DEFAULT_DEVICE,
    as_json: Json = False,
) -> None:
    """Take TEXT through understanding, dialogue and skills, and print the answer; exits 1 when it is not answered. No audio is involved."""
    from earshot_cli.services import converse  # noqa: PLC0415 - gRPC takes a while to import

    target = running_stack()

    async def turn() -> dict[str, Any]:
        return await converse(
            target.grpc("dialogue"),
            text=text,
            locale=locale_of(text, locale),
            household=household,
            device=device,
            time_zone=local_time_zone(),
        )

    document = lifetime.run(turn())
    output = Output(as_json=as_json)
    output.show(report.turn(document), *hints(document, target.home.absences))
    output.document(document)
    if not report.done(document):
        raise typer.Exit(1)
