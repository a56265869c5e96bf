"""earshot cluster status | doctor: Earshot in a Kubernetes cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from earshot_cli import lifetime
from earshot_cli.administrating import AdminCredentials, find_bus
from earshot_cli.commands.bus import diff_of
from earshot_cli.errors import CliError
from earshot_cli.options import Json
from earshot_cli.output import Output

if TYPE_CHECKING:
    from earshot_cli.cluster.access import Cluster
    from earshot_cli.cluster.findings import Finding

app = typer.Typer(help="Earshot in a Kubernetes cluster (KUBECONFIG, or the pod's own account).", no_args_is_help=True)

Context = Annotated[str, typer.Option("--context", help="Context of the kubeconfig; default: the current one.")]
Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="Where Earshot is; default: the context's own, else earshot.")
]
BusUrl = Annotated[
    str,
    typer.Option(
        "--url", envvar="EARSHOT_BUS_URL", help="The bus, as it is reached from here: compared with what is declared."
    ),
]


@app.command("status")
def status(*, context: Context = "", namespace: Namespace = "", as_json: Json = False) -> None:
    """Show what runs where, in which version, how far its rollout is, and what waits for each consumer."""
    output = Output(as_json=as_json)
    cluster = _connect(context, namespace)
    from earshot_cli.cluster import buses, owners, rendering, workloads  # noqa: PLC0415 - a second that most commands don't need
    from earshot_cli.cluster.access import ForbiddenError  # noqa: PLC0415 - likewise
    from earshot_cli.errors import NotFoundError  # noqa: PLC0415 - likewise

    services = workloads.workloads(*owners.of(cluster))
    try:
        skills = workloads.skills(cluster.listed(cluster.within("earshot.dev/v1alpha1", "skills")))
    except NotFoundError:
        skills = []
    unknown = ""
    try:
        lags = buses.lags(buses.servers(cluster))
    except (CliError, ForbiddenError) as error:
        lags, unknown = [], str(error)
    if not services:
        output.show(f"nothing of Earshot's runs in namespace {cluster.namespace} of {cluster.server}")
    tables = (
        (services, rendering.services(services)),
        (skills, rendering.skills(skills)),
        (lags, rendering.lags(lags)),
    )
    for number, table in enumerate(table for found, table in tables if found):
        output.show(*(("",) if number else ()), table)
    if unknown:
        output.progress.print(f"what waits is not known: {unknown}", markup=False)
    output.document(
        {
            "namespace": cluster.namespace,
            "server": cluster.server,
            "services": [each.document() for each in services],
            "skills": [each.document() for each in skills],
            "consumers": [each.document() for each in lags],
        }
    )


@app.command("doctor")
def doctor(
    *,
    context: Context = "",
    namespace: Namespace = "",
    url: BusUrl = "",
    credentials: AdminCredentials = None,
    replicas: Annotated[
        int,
        typer.Option(
            "--replicas", help="Copies of everything that is on the bus, 1 or 3; default: what the ConfigMap bus says."
        ),
    ] = 0,
    as_json: Json = False,
) -> None:
    """Look for what keeps Earshot from working: versions, definitions, the bus, clocks, credentials. Exits 1 if something fails."""
    output = Output(as_json=as_json)
    cluster = _connect(context, namespace)
    from earshot_cli.cluster import doctor, rendering  # noqa: PLC0415 - a second that most commands don't need
    from earshot_cli.cluster.findings import Result, worst  # noqa: PLC0415 - likewise

    findings = [*doctor.examine(cluster), *_declared(cluster, url, credentials, replicas)]
    output.show(rendering.findings(findings))
    result = worst(findings)
    output.document({"result": result, "findings": [each.document() for each in findings]})
    if result is Result.FAILED:
        raise typer.Exit(1)


def _declared(cluster: Cluster, url: str, credentials: AdminCredentials, replicas: int) -> list[Finding]:
    from earshot_cli.cluster import workloads  # noqa: PLC0415 - as above
    from earshot_cli.cluster.findings import Finding, Result  # noqa: PLC0415 - as above

    if not url:
        message = "streams and consumers were not compared: give --url and --credentials of the bus"
        return [Finding(check="bus", result=Result.SKIPPED, message=message)]
    try:
        copies = replicas or workloads.bus_replicas(cluster.find(cluster.within("v1", "configmaps/bus"))) or 1
        drifts = lifetime.run(diff_of(find_bus(url, credentials), copies))
    except CliError as error:
        return [Finding(check="bus", result=Result.FAILED, message=str(error))]
    lines = [line for drift in drifts for line in drift.lines()]
    if not lines:
        return [Finding(check="bus", result=Result.OK, message="the bus holds what is declared")]
    return [Finding(check="bus", result=Result.FAILED, message=f"{line} (earshot bus apply)") for line in lines]


def _connect(context: str, namespace: str) -> Cluster:
    try:
        from earshot_cli.cluster.access import connect  # noqa: PLC0415 - a second that most commands don't need
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in {"kubernetes", "urllib3"}:
            raise
        raise CliError(
            "earshot cluster needs the kubernetes client: pip install 'earshot-cli[cluster]'", code="not_installed"
        ) from error
    return connect(context, namespace)
