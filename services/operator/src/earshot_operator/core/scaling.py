"""How a skill scales: KEDA's ScaledObject.

A skill is called; what waits for it is calls in progress. Where Prometheus is there, their mean number is the rate of the
seconds that calls took (Little's law), without a metric of its own; where it is not, CPU stands for them.
"""

from __future__ import annotations

from typing import Any

from earshot_operator.core.platform import Platform
from earshot_operator.core.skill import Skill

Object = dict[str, Any]
_SCALE_DOWN_S = 300


def scaled_object(skill: Skill, platform: Platform) -> Object:
    """Return its spec."""
    return {
        "scaleTargetRef": {"name": skill.name},
        "minReplicaCount": skill.scale.minimum,
        "maxReplicaCount": skill.scale.maximum,
        "pollingInterval": 5,
        "cooldownPeriod": _SCALE_DOWN_S,
        "advanced": {
            "horizontalPodAutoscalerConfig": {
                "behavior": {
                    "scaleUp": {"stabilizationWindowSeconds": 0},
                    "scaleDown": {
                        "stabilizationWindowSeconds": _SCALE_DOWN_S,
                        "policies": [{"type": "Percent", "value": 25, "periodSeconds": 60}],
                    },
                }
            }
        },
        "triggers": _triggers(skill, platform),
    }


def _triggers(skill: Skill, platform: Platform) -> list[Object]:
    triggers: list[Object] = [{"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}]
    if platform.prometheus_url:
        seconds = f'earshot_rpc_server_duration_seconds_sum{{pod=~"{skill.name}-.*"}}'
        triggers.append(
            {
                "type": "prometheus",
                "metadata": {
                    "serverAddress": platform.prometheus_url,
                    "query": f"sum(rate({seconds}[30s]))",
                    "threshold": str(skill.scale.lag),
                },
            }
        )
    if skill.scale.consumer is not None:
        stream, durable = skill.scale.consumer
        triggers.append(
            {
                "type": "nats-jetstream",
                "metadata": {"stream": stream, "consumer": durable, "lagThreshold": str(skill.scale.lag)},
                # Of deploy/components/keda: which server, and whose account.
                "authenticationRef": {"name": platform.bus_monitoring},
            }
        )
    return triggers
