"""What bears the name of something of a Skill's and is not the Skill's: it is left alone.

Skills run by manifests have the same names (deploy/base), and so have the Secrets that `earshot bus secrets` makes for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from earshot_operator.core.objects import Place
from earshot_operator.kube import Kube


def is_owned(content: Mapping[str, Any], uid: str) -> bool:
    """Tell whether an object's controller is the Skill of a uid."""
    owners = content["metadata"].get("ownerReferences") or []
    return any(owner.get("controller") and owner["uid"] == uid for owner in owners)


async def find_taken(kube: Kube, places: tuple[Place, ...], uid: str) -> tuple[Place, ...]:
    """Return where somebody else's object stands.

    Args:
        kube: The API server.
        places: Where the Skill's are to be.
        uid: The Skill's.

    Raises:
        RetryableError: The API server is away.
        ForbiddenError: The Role lacks a right.
    """
    taken = []
    for place in places:
        found = await kube.get(*place)
        if found is not None and not is_owned(found, uid):
            taken.append(place)
    return tuple(taken)
