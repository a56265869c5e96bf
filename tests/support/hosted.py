"""What becomes of a Skill, as the operator of production makes it."""

from __future__ import annotations

from typing import Any

from earshot_operator.core.objects import autoscaler, deployment, desired_template, surroundings
from earshot_operator.core.skill import parse
from earshot_operator.settings import OperatorSettings
from earshot_topology.policies import SKILLS_NAMESPACE
from support.manifests import Object


def hosted(name: str, **spec: Any) -> tuple[Object, ...]:
    """Return every object but the Secret."""
    metadata = {"name": name, "namespace": SKILLS_NAMESPACE, "uid": "1", "generation": 1}
    whole = {"image": f"earshot/skill-{name}:0.1.0", "locales": ["en-US", "zh-CN"], **spec}
    skill, platform = parse({"metadata": metadata, "spec": whole}), OperatorSettings().platform()
    template = desired_template(skill, platform)
    return (
        *surroundings(skill, platform),
        deployment(skill, platform, template, verified=True),
        autoscaler(skill, platform),
    )
