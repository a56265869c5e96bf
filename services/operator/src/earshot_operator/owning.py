"""What stands where something of a Skill's is to be: its own, or somebody else's, which is left alone.

Skills run by manifests have the same names (deploy/base), where services are: what bears theirs would speak for them on the bus.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from earshot_operator.core.objects import Place
from earshot_operator.errors import NameTakenError
from earshot_operator.kube import Kube

Object = dict[str, Any]


class Found:
    """What was there when it was looked for.

    Args:
        objects: By place; None: nothing was there.
        uid: The Skill's.
        beside: What manifests run under its name, where services are; empty: nothing.
    """

    def __init__(self, objects: Mapping[Place, Object | None], uid: str, beside: str = "") -> None:
        self._objects = objects
        self._uid = uid
        self._beside = beside

    def at(self, place: Place) -> Object | None:
        """Return the Skill's own object at a place; None: there is none."""
        found = self._objects.get(place)
        return found if found is not None and is_owned(found, self._uid) else None

    @property
    def taken(self) -> tuple[str, ...]:
        """What is somebody else's, by kind and name."""
        theirs = tuple(
            f"{kind} {name}"
            for (_, kind, name), found in self._objects.items()
            if found is not None and not is_owned(found, self._uid)
        )
        return (*theirs, self._beside) if self._beside else theirs

    def check(self) -> None:
        """Look whether every name is free, or the Skill's.

        Raises:
            NameTakenError: One is not.
        """
        if taken := self.taken:
            raise NameTakenError(f"not this Skill's, and left alone: {', '.join(taken)}")


def is_owned(content: Mapping[str, Any], uid: str) -> bool:
    """Tell whether an object's controller is the Skill of a uid."""
    owners = content["metadata"].get("ownerReferences") or []
    return any(owner.get("controller") and owner["uid"] == uid for owner in owners)


async def find(kube: Kube, services: Kube, places: tuple[Place, ...], uid: str) -> Found:
    """Look what stands at each place, and whether manifests run the same skill.

    Args:
        kube: The API server.
        services: The same, where services are.
        places: Where the Skill's are to be.
        uid: The Skill's.

    Raises:
        RetryableError: The API server is away.
        ForbiddenError: The Role lacks a right.
    """
    (service,) = (place for place in places if place[1] == "Service")
    beside = services.namespace != kube.namespace and await services.get(*service) is not None
    found = {place: await kube.get(*place) for place in places}
    return Found(found, uid, f"Service {service[2]} in {services.namespace}" if beside else "")
