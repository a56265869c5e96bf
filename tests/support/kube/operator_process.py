"""The operator's process, as a test forks it: what its __main__ does."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

from support.kube.processes import settle


def run_operator(environment: Mapping[str, str], log: str) -> None:
    """Be an operator until SIGTERM."""
    settle(environment, log)
    from earshot_chassis.service import Service, run  # noqa: PLC0415 - what is tested is imported where it runs
    from earshot_chassis.settings import ServiceSettings  # noqa: PLC0415 - likewise
    from earshot_operator.composition import composition  # noqa: PLC0415 - likewise
    from earshot_operator.settings import OperatorSettings  # noqa: PLC0415 - likewise

    service = Service("operator", version("earshot-operator"), ServiceSettings(), waits_for_bus=False)
    run(service, composition(OperatorSettings()))
