"""Where a bus is, who administers it, and who vouches for it: the running stack's, or any that is named.

A command that takes a parameter `bus: BusOptions` and is made by `with_bus_options` has the options --url, --credentials and --ca.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earshot_cli.errors import BadArgumentError, UnreachableError, UsageError
from earshot_cli.stackfinder import running_stack

if TYPE_CHECKING:
    from nats.js import JetStreamContext

Url = Annotated[
    str, typer.Option("--url", envvar="EARSHOT_BUS_URL", help="Servers, comma separated; default: the running stack's.")
]
AdminCredentials = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        envvar="EARSHOT_BUS_CREDENTIALS",
        help="Administrator's credentials file, where --url is given.",
    ),
]
Authorities = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        envvar="EARSHOT_NATS_CA",
        help="Authorities that sign the servers' certificates (PEM), where they are none of the system's.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """A bus and its administrator.

    Attributes:
        url: Servers, comma separated.
        credentials: Credentials file; None only for a server without authentication.
        authorities: Who signs the servers' certificates; None: the system's authorities.
    """

    url: str
    credentials: Path | None
    authorities: Path | None = None

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[JetStreamContext]:
        """Connect for one command.

        Raises:
            UnreachableError: The bus can't be used, or stops to be meanwhile.
        """
        from nats.errors import Error  # noqa: PLC0415 - half a second that most commands don't need

        from earshot_topology.apply import connected  # noqa: PLC0415

        try:
            async with connected(
                self.url,
                str(self.credentials) if self.credentials else None,
                str(self.authorities) if self.authorities else None,
            ) as jetstream:
                yield jetstream
        except (Error, OSError) as error:
            raise UnreachableError(f"the bus at {self.url} can't be used: {self._why(error)}") from error

    def _why(self, error: Exception) -> str:
        reason = " ".join(str(error).split()) or type(error).__name__
        if "CERTIFICATE_VERIFY_FAILED" not in reason:
            return reason
        # OpenSSL's own words are the last part: "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: … (_ssl.c:1016)".
        said = reason.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or reason
        if "mismatch" in said or "not valid for" in said:
            return f"its certificate is for other names ({said}): give --url a name that it has"
        hint = (
            f"{self.authorities} did not sign it"
            if self.authorities
            else "--ca FILE names the authority that signed it"
        )
        return f"its certificate can't be verified ({said}): {hint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BusOptions:
    """What the command line says of the bus that is meant."""

    url: Url = ""
    credentials: AdminCredentials = None
    ca: Authorities = None

    def find(self) -> Bus:
        """Return the bus.

        Raises:
            NotRunningError: None is named, and no stack is running.
            BadArgumentError: The credentials file is missing.
            UsageError: The authorities can't be read.
        """
        authorities = readable(self.ca)
        if not self.url:
            target = running_stack()
            admin = target.home.credentials / "admin.creds"
            attached = Path(target.running.nats_ca) if target.running.nats_ca else None
            return Bus(
                url=target.running.nats_url,
                credentials=self.credentials or admin,
                authorities=authorities or attached,
            )
        if self.credentials is not None and not self.credentials.is_file():
            raise BadArgumentError(f"there is no credentials file {self.credentials}")
        return Bus(url=self.url, credentials=self.credentials, authorities=authorities)


def readable(authorities: Path | None) -> Path | None:
    """Return a file of authorities if it is one.

    Raises:
        UsageError: It is missing, or holds no certificate.
    """
    import ssl  # noqa: PLC0415 - most commands need it not

    if authorities is not None:
        try:
            ssl.create_default_context(cafile=authorities)
        except ssl.SSLError as error:
            raise UsageError(
                f"--ca {authorities} holds no certificates (PEM)", code="authorities_unreadable"
            ) from error
        except OSError as error:
            raise UsageError(
                f"--ca {authorities} can't be read: {error.strerror or error}", code="authorities_unreadable"
            ) from error
    return authorities


def with_bus_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `BusOptions`, which it takes as one argument, `bus`."""
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != "bus"]
    options = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(BusOptions, eval_str=True).parameters.values()
    ]

    @functools.wraps(command)
    def told(**given: Any) -> None:
        bus = BusOptions(**{each.name: given.pop(each.name) for each in fields(BusOptions)})
        command(bus=bus, **given)

    parameters = [*own, *options]
    told.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # typer reads it
    told.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return told
