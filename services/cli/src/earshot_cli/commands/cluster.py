"""earshot cluster status | doctor: Earshot in a Kubernetes cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from earshot_cli import lifetime
from earshot_cli.administrating import BusOptions, with_bus_options
from earshot_cli.commands.bus import diff_of
from earshot_cli.errors import CliError
from earshot_cli.options import Json
from earshot_cli.output import Output

if TYPE_CHECKING:
    from earshot_cli.cluster.access import Cluster
    from earshot_cli.cluster.findings import Finding

# Of the doctor: by what everything comes to; else 0.
_EXIT_CODES = {"failed": 1, "skipped": 3}

app = typer.Typer(help="Earshot in a Kubernetes cluster (KUBECONFIG, or the pod's own account).", no_args_is_help=True)

Context = Annotated[str, typer.Option("--context", help="Context of the kubeconfig; default: the current one.")]
Namespace = Annotated[
    str,
    typer.Option("--namespace", "-n", help="Where Earshot's services are; default: the context's own, else earshot."),
]


@app.command("status")
def status(*, context: Context = "", namespace: Namespace = "", as_json: Json = False) -> None:
    """Show what runs where, in which version, how far its rollout is, and what waits for each consumer."""
    output = Output(as_json=as_json)
    cluster = _connect(context, namespace)
    from earshot_cli.cluster import buses, owners, rendering, workloads  # noqa: PLC0415 - a second that most commands don't need
    from earshot_cli.cluster.access import ForbiddenError  # noqa: PLC0415 - likewise
    from earshot_cli.errors import NotFoundError  # noqa: PLC0415 - likewise

    services, skills, unknown = workloads.workloads(*owners.of(cluster)), [], []
    try:
        services += workloads.workloads(*owners.of(cluster.skills))
        skills = workloads.skills(cluster.listed(cluster.skills.within("earshot.dev/v1alpha1", "skills")))
    except NotFoundError:
        # Nobody has made the definition.
        pass
    except ForbiddenError as error:
        unknown.append(f"how Skills are doing is not known: {error}")
    try:
        lags = buses.lags(buses.servers(cluster))
    except CliError as error:
        lags = []
        unknown.append(f"what waits is not known: {error}")
    if not services:
        output.show(f"nothing of Earshot's runs in namespace {cluster.namespace} of {cluster.server}")
    tables = (
        (services, rendering.services(services)),
        (skills, rendering.skills(skills)),
        (lags, rendering.lags(lags)),
    )
    for number, table in enumerate(table for found, table in tables if found):
        output.show(*(("",) if number else ()), table)
    for each in unknown:
        output.progress.print(each, markup=False)
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
@with_bus_options
def doctor(
    *,
    context: Context = "",
    namespace: Namespace = "",
    bus: BusOptions,
    replicas: Annotated[
        int,
        typer.Option(
            "--replicas", help="Copies of everything that is on the bus, 1 or 3; default: what the ConfigMap bus says."
        ),
    ] = 0,
    as_json: Json = False,
) -> None:
    """Look for what keeps Earshot from working: versions, definitions, the bus and what it holds, clocks, credentials.

    Exits 1 if something fails, 3 if something could not be looked at. With --url the bus itself is asked what it holds, which
    runs elsewhere or is not to be reached by its pods.
    """
    output = Output(as_json=as_json)
    cluster = _connect(context, namespace)
    from earshot_cli.cluster import doctor, examining_bus, rendering  # noqa: PLC0415 - a second that most commands don't need
    from earshot_cli.cluster.findings import Result, worst  # noqa: PLC0415 - likewise

    findings = [*doctor.examine(cluster), *examining_bus.examine(cluster, replicas=replicas, compared=not bus.url)]
    if bus.url:
        findings += _asked(cluster, bus, replicas)
    output.show(rendering.findings(findings))
    result = worst(findings)
    output.document({"result": result, "findings": [each.document() for each in findings]})
    if result is Result.SKIPPED:
        output.progress.print("nothing fails of what was looked at; what was skipped may: see above")
    if result in _EXIT_CODES:
        raise typer.Exit(_EXIT_CODES[result])


def _asked(cluster: Cluster, options: BusOptions, replicas: int) -> list[Finding]:
    from earshot_cli.cluster import examining_bus, workloads  # noqa: PLC0415 - as above
    from earshot_cli.cluster.findings import Finding, Result  # noqa: PLC0415 - as above

    bus = options.find()
    try:
        copies = replicas or workloads.bus_replicas(cluster.find(cluster.within("v1", "configmaps/bus")))
        return list(examining_bus.against_declared(lifetime.run(diff_of(bus, copies))))
    except CliError as error:
        return [Finding(check="bus", result=Result.FAILED, message=str(error))]


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
