"""How a skill scales: KEDA's ScaledObject.

On CPU, as the skills of deploy/base. One that says how much may wait for a replica (`scale.lag`) scales on that as well: on
messages where it names a consumer of its own, else on calls in progress, whose mean number is the rate of the seconds that calls
took (Little's law), without a metric of its own. That one Prometheus has to be asked.
"""

from __future__ import annotations

from typing import Any

from earshot_operator.core.platform import Platform
from earshot_operator.core.skill import Skill

Object = dict[str, Any]
_SCALE_DOWN_S = 300
# Of a consumer, where the Skill does not say it.
_LAG = 16


def unmet(skill: Skill, platform: Platform) -> tuple[str, str] | None:
    """Return reason and message of what the Skill asks for and can't have here; None: it has everything."""
    if platform.keda and _counts_calls(skill) and not platform.prometheus_url:
        message = f"scale.lag {skill.scale.lag} is not looked at, it scales on CPU: EARSHOT_OPERATOR_PROMETHEUS_URL is not set"
        return "PrometheusMissing", message
    return None


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
    if platform.prometheus_url and _counts_calls(skill):
        which = f'namespace="{skill.namespace}",pod=~"{skill.name}-.*"'
        triggers.append(
            {
                "type": "prometheus",
                "name": "calls-in-progress",
                "metricType": "AverageValue",
                "metadata": {
                    "serverAddress": platform.prometheus_url,
                    "query": f"sum(rate(earshot_rpc_server_duration_seconds_sum{{{which}}}[30s]))",
                    # Nothing scraped is not nought, as of asr's trigger.
                    "ignoreNullValues": "false",
                    "threshold": str(skill.scale.lag),
                },
            }
        )
    if skill.scale.consumer is not None:
        stream, durable = skill.scale.consumer
        triggers.append(
            {
                "type": "nats-jetstream",
                # All that it takes, since a TriggerAuthentication is of its own namespace.
                "metadata": {
                    "natsServerMonitoringEndpoint": platform.bus_monitoring,
                    "accountID": platform.bus_account,
                    "stream": stream,
                    "consumer": durable,
                    "lagThreshold": str(skill.scale.lag or _LAG),
                },
            }
        )
    return triggers


def _counts_calls(skill: Skill) -> bool:
    return skill.scale.lag is not None and skill.scale.consumer is None
