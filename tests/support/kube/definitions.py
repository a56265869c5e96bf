"""What the server refuses in a CustomResourceDefinition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from support.kube.causes import INVALID, REQUIRED, Cause
from support.kube.columns import misprints
from support.kube.structural import doubts


def faults(definition: Mapping[str, Any]) -> Iterator[Cause]:
    """Yield what a server would refuse."""
    spec = definition["spec"]
    given = definition["metadata"]["name"]
    if given != f"{spec['names']['plural']}.{spec['group']}":
        yield Cause("metadata.name", INVALID, f'Invalid value: "{given}": must be spec.names.plural+"."+spec.group')
    if sum(version["storage"] for version in spec["versions"]) != 1:
        yield Cause("spec.versions", INVALID, "Invalid value: must have exactly one version marked as storage version")
    # Where there is one version the server speaks of it so.
    one = len(spec["versions"]) == 1
    for number, version in enumerate(spec["versions"]):
        path = "spec" if one else f"spec.versions[{number}]"
        yield from misprints(version.get("additionalPrinterColumns", []), path)
        schema = version.get("schema", {}).get("openAPIV3Schema")
        if schema is None:
            yield Cause(f"{path}.schema.openAPIV3Schema", REQUIRED, "Required value: schemas are required")
        else:
            yield from doubts(schema, f"{path}.{'validation' if one else 'schema'}.openAPIV3Schema")
