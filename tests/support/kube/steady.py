"""Objects without what is another one in every life, to compare lives by."""

from __future__ import annotations

from typing import Any

# Numbers and moments, and a credential.
VARYING = frozenset(
    {
        "creationTimestamp",
        "credentialExpires",
        "data",
        "deletionTimestamp",
        "earshot.dev/credential",
        "generation",
        "lastTransitionTime",
        "managedFields",
        "observedGeneration",
        "resourceVersion",
        "uid",
    }
)


def steady(content: Any, *more: str) -> Any:
    """Return a part of an object without what varies, and without more."""
    if isinstance(content, dict):
        return {
            key: steady(each, *more) for key, each in content.items() if key not in VARYING and not key.endswith(more)
        }
    return [steady(each, *more) for each in content] if isinstance(content, list) else content
