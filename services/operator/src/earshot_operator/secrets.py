"""Which Secrets a Skill may name: those that somebody who may write Secrets has labelled as being for it.

Whoever may write Skills could otherwise read every Secret of the namespace, other teams' among them, by way of a pod of his own. The
skill's credential is none that a Skill may name: the operator makes it.
"""

from __future__ import annotations

from earshot_operator.core.objects import SKILL
from earshot_operator.core.skill import Skill
from earshot_operator.errors import SecretMissingError, SecretRefusedError
from earshot_operator.kube import Kube


async def check_secrets(kube: Kube, skill: Skill) -> None:
    """Look at every Secret that a Skill names.

    Raises:
        SecretMissingError: One is not there.
        SecretRefusedError: One is not labelled as being for it.
    """
    for name in sorted({each.name for each in skill.secrets}):
        found = await kube.get("v1", "Secret", name)
        if found is None:
            raise SecretMissingError(f"there is no Secret {name}")
        if (found["metadata"].get("labels") or {}).get(SKILL) != skill.id:
            label = f"kubectl label secret {name} {SKILL}={skill.id}"
            raise SecretRefusedError(f"the Secret {name} is not labelled as being for this skill: {label}")
