"""Events: what has changed of a Skill, for people who ask what happened to it.

An event's name is made from its reason and what that follows, so that it is not told twice, whoever was killed in between, and in
whatever words the next attempt fails.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from earshot_chassis import telemetry
from earshot_chassis.errors import EarshotError
from earshot_operator.core.skill import API_VERSION, KIND
from earshot_operator.core.status import Happening
from earshot_operator.kube import MANAGER, Kube

Object = dict[str, Any]
_log = telemetry.logger("operator")


async def tell(kube: Kube, body: Object, happening: Happening) -> None:
    """Write an event about a Skill; one that can't be written is lost."""
    metadata = body["metadata"]
    told = (metadata["uid"], happening.reason, happening.after)
    moment = now()
    content = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata['name']}.{hashlib.sha256(repr(told).encode()).hexdigest()[:16]}",
            "namespace": metadata["namespace"],
        },
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
        "type": "Warning" if happening.warning else "Normal",
        "reason": happening.reason,
        "message": happening.message or happening.reason,
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "reportingInstance": MANAGER,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
    try:
        await kube.create(content)
    except EarshotError as error:
        # Events are for people; what they tell stands in the status, too.
        _log.warning("event_lost", skill=metadata["name"], reason=happening.reason, code=error.code)


def now() -> str:
    """Return the present moment as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
