"""Telling servers whom to let in: those of this machine's stack at once, others by the commands that are printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from earshot_cli import lifetime
from earshot_cli.administrating import Bus, BusOptions
from earshot_cli.errors import BadArgumentError, CliError
from earshot_cli.output import Output
from earshot_cli.publishing import PUBLISH
from earshot_cli.stackfinder import home
from earshot_local.errors import NotRunningError

if TYPE_CHECKING:
    from earshot_local.credentials import Credentials
    from earshot_local.reloading import Answer, Lingering

    Found = tuple[tuple[Answer, ...], tuple[Lingering, ...]]

# Names of connections that are told one by one.
_TOLD = 20


def credentials() -> Credentials:
    """Return the users of the state folder; say so where an older version's keys are still good.

    Raises:
        BadArgumentError: It has no keys.
    """
    from earshot_local.credentials import Credentials  # noqa: PLC0415 - loads cryptography that few commands need
    from earshot_local.plan import SKILLS  # noqa: PLC0415 - likewise

    folder = home()
    if not folder.keys.exists():
        raise BadArgumentError(f"{folder.root} holds no keys; make them with: earshot bus secrets")
    found = Credentials(folder, [skill.skill for skill in SKILLS])
    if found.older:
        Output(as_json=True).progress.print(found.older, soft_wrap=True)
    return found


def tell(output: Output, users: Credentials, document: dict[str, Any], steps: Sequence[str] = PUBLISH) -> None:
    """Tell the servers of this machine's stack; say how those of another bus are told.

    Args:
        output: Where it is told what came of it.
        users: Who is to be let in.
        document: What was done.
        steps: What is to be done where no stack runs.

    Raises:
        CliError: A server does not let in whom it should, "not_reloaded".
    """
    found = own(users)
    if found is not None:
        told(output, *found, document)
        return
    output.show("no bus was told: one that this folder starts reads it then. Of a cluster, in this order:")
    output.show(*(f"  {step}" for step in steps))
    output.document(document | {"servers": [], "next": [step for step in steps if not step.startswith("#")]})


def runs_here() -> bool:
    """Tell whether a stack of this machine runs from the state folder."""
    folder = home()
    try:
        folder.running()
    except NotRunningError:
        return False
    return bool(folder.processes())


def write_own(users: Credentials) -> bool:
    """Write what the running stack's servers read; False: none runs from this folder, or they run elsewhere."""
    from earshot_local.nats_server import trust_section  # noqa: PLC0415 - as above

    if not runs_here():
        return False
    folder = home()
    replacement = folder.trust.with_suffix(".new")
    replacement.write_text(trust_section(users.trust))
    replacement.replace(folder.trust)
    return True


def own(users: Credentials) -> Found | None:
    """Have the running stack's servers read whom to let in, and return what came of it; None: none runs from this folder."""
    if not write_own(users):
        return None
    return reload(BusOptions(credentials=users.service("system")).find(), users, 0, 10.0)


def reload(bus: Bus, users: Credentials, servers: int, patience_s: float) -> Found:
    """Have every server of a bus read its configuration; return what came of it, and who is there by a key that is to be ended."""
    from earshot_local import reloading  # noqa: PLC0415 - as above
    from earshot_topology.apply import copies  # noqa: PLC0415 - as above

    async def asked() -> Found:
        async with bus.connected() as jetstream:
            client = jetstream._nc  # noqa: SLF001 - of a context that is asked for nothing else
            count = servers or copies(jetstream)
            answers = await reloading.reload(client, users.trust, servers=count, patience_s=patience_s)
            there = await reloading.lingering(client, users.retiring(), servers=count)
            return answers, there

    return lifetime.run(asked())


def told(output: Output, answers: Sequence[Answer], there: Sequence[Lingering], document: dict[str, Any]) -> None:
    """Tell what came of it.

    Raises:
        CliError: A server does not let in whom it should, "not_reloaded".
    """
    for answer in answers:
        output.show(f"{answer.server}: {answer.trouble or 'lets in whom it should'}")
    check(answers)
    for each in there:
        names = ", ".join(each.names[:_TOLD]) + (", …" if len(each.names) > _TOLD else "")
        output.show(f"{each.kind}: {len(each.names)} still there by a key that is to be ended: {names}")
    output.document(
        document
        | {
            "servers": [answer.server for answer in answers],
            "lingering": {each.kind: list(each.names) for each in there},
        }
    )


def check(answers: Sequence[Answer]) -> None:
    """Look whether every server lets in whom it should.

    Raises:
        CliError: One does not, "not_reloaded".
    """
    failed = [answer for answer in answers if answer.trouble]
    if failed:
        why = "; ".join(f"{answer.server} {answer.trouble}" for answer in failed)
        raise CliError(
            f"not every server lets in whom it should: {why}; what is changed stays so, and is told again by "
            "`earshot credentials reload`",
            code="not_reloaded",
        )
