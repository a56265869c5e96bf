"""What the operator consists of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import kopf
from kubernetes.config import ConfigException

from earshot_chassis.service import Service
from earshot_operator.credentials import Issuer, load_signing
from earshot_operator.describing import describe
from earshot_operator.errors import ClusterUnreachableError
from earshot_operator.handlers import Handlers, Pace, operator_settings
from earshot_operator.kube import Kube, connect
from earshot_operator.reconciling import Reconciler, Tools
from earshot_operator.registration import Registrations
from earshot_operator.removing import Remover
from earshot_operator.settings import OperatorSettings


def composition(settings: OperatorSettings) -> Callable[[Service], Awaitable[None]]:
    """Return what composes the service.

    Args:
        settings: The operator's own.
    """

    async def compose(service: Service) -> None:
        load_signing(settings.signing_folder)
        try:
            client = connect()
        except ConfigException as error:
            raise ClusterUnreachableError(f"no cluster is named: {error}") from error
        kube, services = (Kube(client, each) for each in (settings.namespace, settings.services_namespace))
        registrations = Registrations(service.bus)
        reconciler = Reconciler(
            Tools(
                kube=kube,
                services=services,
                registrations=registrations,
                issuer=Issuer(settings.signing_folder, settings.credential_hours),
                describe=describe,
                platform=settings.platform(),
                grpc_port=settings.grpc_port,
            )
        )
        remover = Remover(kube, services, registrations, keda=settings.keda, patience_s=settings.patience_s)
        pace = Pace(poll_s=settings.poll_s, resync_s=settings.resync_s, retry_s=settings.retry_s)
        handlers = Handlers(reconciler, remover, pace)

        service.bus.on_reconnect(handlers.look_again)

        async def operate() -> None:
            await kopf.operator(
                registry=handlers.registry(),
                settings=operator_settings(),
                standalone=True,
                namespaces=[settings.namespace],
            )

        service.add_task("operate", operate)

    return compose
