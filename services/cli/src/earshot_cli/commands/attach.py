"""earshot attach: services that run elsewhere, as if they were this machine's stack."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import Annotated

import typer

from earshot_cli import lifetime
from earshot_cli.administrating import Authorities, BusOptions
from earshot_cli.errors import BadArgumentError
from earshot_cli.options import Json
from earshot_cli.output import Output
from earshot_cli.stackfinder import home
from earshot_local.home import Home, Running
from earshot_local.lock import FolderLock


def attach(
    *,
    url: Annotated[
        str, typer.Option("--url", envvar="EARSHOT_BUS_URL", help="The bus, comma separated.")
    ] = "nats://127.0.0.1:4222",
    grpc: Annotated[
        list[str] | None, typer.Option("--grpc", help="service=host:port, once for each; dialogue and tts are of use.")
    ] = None,
    ca: Authorities = None,
    as_json: Json = False,
) -> None:
    """Let the other commands use services that run elsewhere, in a cluster for instance, until Ctrl-C.

    The state folder has to hold the keys that their bus trusts: those of `earshot bus secrets`.
    """
    output = Output(as_json=as_json)
    targets = dict(_target(each) for each in grpc or [])
    try:
        lifetime.run(_attach(output, home(), BusOptions(url=url, ca=ca), targets))
    except lifetime.Interrupted:
        output.progress.print("detached")


def _target(text: str) -> tuple[str, str]:
    service, equals, address = text.partition("=")
    host, colon, port = address.rpartition(":")
    if not (service and equals and host and colon and port.isdecimal()):
        raise BadArgumentError(f"can't read {text!r}: give service=host:port, for instance dialogue=127.0.0.1:50051")
    return service, f"dns:///{address}"


async def _attach(output: Output, folder: Home, options: BusOptions, targets: dict[str, str]) -> None:
    from earshot_topology.apply import copies  # noqa: PLC0415 - half a second that most commands don't need

    admin = folder.credentials / "admin.creds"
    if not admin.is_file():
        raise BadArgumentError(f"{folder.root} holds no keys; make them with: earshot bus secrets")
    bus = replace(options, credentials=admin).find()
    lock = FolderLock(folder.lock)
    lock.acquire()
    try:
        async with bus.connected() as jetstream:
            await jetstream.account_info()
            nodes = copies(jetstream)
        running = Running(
            pid=os.getpid(),
            nats_url=bus.url,
            nats_ca=str(bus.authorities.absolute()) if bus.authorities else "",
            traces_url="",
            otlp_endpoint="",
            grpc=targets,
            http={},
            nodes=nodes,
        )
        folder.status.unlink(missing_ok=True)
        folder.write_state(running)
        output.document({"nats": bus.url, "grpc": targets})
        output.show(f"attached to {bus.url}: earshot ask, earshot device say and others use it now. Ctrl-C detaches.")
        await asyncio.Event().wait()
    finally:
        folder.state.unlink(missing_ok=True)
        lock.release()
