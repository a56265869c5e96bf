"""What stands where something of a Skill's is to be: its own, or somebody else's, which is left alone.

Skills run by manifests have the same names (deploy/base), and so have the Secrets that `earshot bus secrets` makes for them.
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
    """

    def __init__(self, objects: Mapping[Place, Object | None], uid: str) -> None:
        self._objects = objects
        self._uid = uid

    def at(self, place: Place) -> Object | None:
        """Return the Skill's own object at a place; None: there is none."""
        found = self._objects.get(place)
        return found if found is not None and is_owned(found, self._uid) else None

    @property
    def taken(self) -> tuple[Place, ...]:
        """Where somebody else's object stands."""
        return tuple(
            place for place, found in self._objects.items() if found is not None and not is_owned(found, self._uid)
        )

    def check(self) -> None:
        """Look whether every name is free, or the Skill's.

        Raises:
            NameTakenError: One is not.
        """
        if taken := self.taken:
            listed = ", ".join(f"{kind} {name}" for _, kind, name in taken)
            raise NameTakenError(f"not this Skill's, and left alone: {listed}")


def is_owned(content: Mapping[str, Any], uid: str) -> bool:
    """Tell whether an object's controller is the Skill of a uid."""
    owners = content["metadata"].get("ownerReferences") or []
    return any(owner.get("controller") and owner["uid"] == uid for owner in owners)


async def find(kube: Kube, places: tuple[Place, ...], uid: str) -> Found:
    """Look what stands at each place.

    Args:
        kube: The API server.
        places: Where the Skill's are to be.
        uid: The Skill's.

    Raises:
        RetryableError: The API server is away.
        ForbiddenError: The Role lacks a right.
    """
    return Found({place: await kube.get(*place) for place in places}, uid)
