"""Write the network policies below deploy/ from the declared flows: python deploy/local/networkpolicies.py [--check].

Each service's goes into its own folder of deploy/base, and what a component adds into the component's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from earshot_topology import flows
from earshot_topology.policies import address_policies, deny_all, group_policy, network_policy

_DEPLOY = Path(__file__).resolve().parent.parent
_FILE = "networkpolicy.yaml"
# What components say of hosted skills is in the namespace of those.
_HOSTED = {"operator": "skills", "otel": "skills-otel"}
# Whose whole policy is in which component.
_BROUGHT_BY = {flows.BUS: "bus", flows.BUS_APPLY: "bus-apply", flows.COLLECTOR: "otel", flows.OPERATOR: "operator"}
_HEAD = "# Made by `make networkpolicies` from earshot_topology.flows; not edited by hand.\n"


def wanted() -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    """Yield every file with its policies."""
    services = sorted(folder.name for folder in (_DEPLOY / "base").iterdir() if folder.is_dir())
    for service in services:
        yield _DEPLOY / "base" / service / _FILE, [network_policy(service)]
    yield _DEPLOY / "components" / "default-deny" / _FILE, [deny_all()]
    for part in sorted({flow.part for flow in flows.FLOWS if flow.part}):
        if (_DEPLOY / "components" / part).is_dir():
            yield _DEPLOY / "components" / part / _FILE, list(_of_part(part, services))
    for part, folder in _HOSTED.items():
        yield _DEPLOY / "components" / folder / _FILE, [group_policy(flows.HOSTED, part)]


def _of_part(part: str, services: list[str]) -> Iterator[dict[str, Any]]:
    named = [party for flow in flows.FLOWS if flow.part == part for party in (flow.source, flow.target)]
    for party in dict.fromkeys(named):
        if party in {flows.EVERY, flows.SKILLS}:
            yield group_policy(party, part)
        elif _BROUGHT_BY.get(party) == part:
            yield network_policy(party, part)
        elif party in services:
            yield network_policy(party, part, name=f"{part}-{party}")
    yield from address_policies(part)


def _text(policies: list[dict[str, Any]]) -> str:
    return _HEAD + yaml.safe_dump_all(policies, sort_keys=False, width=120)


def main() -> None:
    """Write or check them.

    Raises:
        SystemExit: With --check: a file is not what the flows say.
    """
    check = "--check" in sys.argv[1:]
    stale = [path for path, policies in wanted() if not path.exists() or path.read_text() != _text(policies)]
    if check and stale:
        names = ", ".join(str(path.relative_to(_DEPLOY.parent)) for path in stale)
        raise SystemExit(f"not what earshot_topology.flows says: {names}; run: make networkpolicies")
    for path, policies in wanted():
        if path in stale:
            path.write_text(_text(policies))


if __name__ == "__main__":
    main()
