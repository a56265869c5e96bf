"""earshot capacity: what a fleet needs, from what was measured on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earshot_cli import lifetime
from earshot_cli.options import Json
from earshot_cli.output import Output

if TYPE_CHECKING:
    from earshot_cli.capacity.figures import Figures

FiguresFile = Annotated[
    Path | None,
    typer.Option(
        "--figures", help="What was measured before (see --keep); without it, it is measured now: three minutes."
    ),
]
BASE = Path("deploy/base")
Keep = Annotated[Path | None, typer.Option("--keep", help="Where to keep what is measured.")]


def capacity(
    *,
    devices: Annotated[int, typer.Option("--devices", help="Devices of the fleet.")] = 100_000,
    turns_per_day: Annotated[float, typer.Option("--turns-per-day", help="Turns of a device in a day.")] = 12.0,
    peak: Annotated[float, typer.Option("--peak", help="The busiest moment's rate over the day's mean.")] = 4.0,
    cells: Annotated[
        int | None, typer.Option("--cells", help="Buses to split the fleet over; as many as needed.")
    ] = None,
    times: Annotated[float, typer.Option("--times", help="Growth at which to tell what breaks first.")] = 10.0,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            "--assume",
            help="NAME=VALUE instead of an assumption, SERVICE.target=VALUE of a manifest; the output lists them.",
        ),
    ] = None,
    base: Annotated[
        Path, typer.Option("--base", help="Folder with <service>/*.yaml, or a file with what an overlay renders to.")
    ] = BASE,
    figures: FiguresFile = None,
    keep: Keep = None,
    as_json: Json = False,
) -> None:
    """Tell how many pods of each service and how many NATS nodes a fleet needs, and what breaks first when it grows.

    Costs are measured on this machine, through a stack of its own; requests, triggers and numbers of replicas are those of the
    manifests; what is assumed is listed, and can be assumed otherwise.
    """
    from earshot_cli.capacity import deployed, report  # noqa: PLC0415 - what other commands don't need
    from earshot_cli.capacity.assumptions import assumed, filled  # noqa: PLC0415
    from earshot_cli.capacity.model import Fleet, breaks_first  # noqa: PLC0415
    from earshot_cli.capacity.model import capacity as work_out  # noqa: PLC0415

    output = Output(as_json=as_json)
    fleet = Fleet(devices=devices, turns_per_day=turns_per_day, peak=peak)
    of_manifests = [text for text in assume or () if "." in text.partition("=")[0]]
    assumptions = assumed(text for text in assume or () if text not in of_manifests)
    services = deployed.changed(deployed.read(base), of_manifests)
    found = obtain(figures, keep, output)
    assumptions = filled(assumptions, found)
    result = work_out(fleet, found, assumptions, services, cells=cells)
    broken = breaks_first(result, found, assumptions, services, times)
    output.show(*report.renderables(result, found, assumptions, services, broken, times))
    output.document(report.document(result, found, assumptions, services, broken))


def obtain(path: Path | None, keep: Path | None, output: Output) -> Figures:
    """Return figures that were kept, or measure them now.

    Raises:
        NotFoundError: There is no such file.
        BadArgumentError: It holds something else.
        CliError: They can't be measured.
    """
    from earshot_cli.capacity.figures import read  # noqa: PLC0415

    if path is not None:
        return read(path)
    from earshot_cli.capacity.measuring import Effort, measure  # noqa: PLC0415 - a second, and the device

    found = lifetime.run(
        measure(Effort(), lambda text: output.progress.print(f"measuring: {text} …")),
        stopping=lambda: output.progress.print("stopping …"),
    )
    if keep is not None:
        found.write(keep)
    return found
