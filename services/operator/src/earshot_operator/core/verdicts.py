"""Whether an image may serve a Skill, and which template is to run because of that.

The last template whose pods answered Describe as the Skill wants it stays in an annotation of the Deployment. An image that
says something else is put away again: the one before it goes on, until somebody writes another spec.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from earshot_operator.core.objects import REVISION
from earshot_operator.core.skill import Skill

Object = dict[str, Any]
VERIFIED = "earshot.dev/verified-template"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a process says of itself."""

    skill_id: str
    version: str
    locales: tuple[str, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an image may not serve.

    Attributes:
        revision: Of the template that holds it.
        image: The image.
        reason: WrongSkill, LocaleMissing or DeadlineTooLong.
        message: For people.
    """

    revision: str
    image: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which template is to run.

    Attributes:
        template: What the Deployment gets.
        verified: The last template that was found right; None before the first.
        refusal: Why the wanted one does not run.
    """

    template: Object
    verified: Object | None
    refusal: Refusal | None

    @property
    def revision(self) -> str:
        """Of the template that is to run."""
        return revision_of(self.template)

    @property
    def is_verified(self) -> bool:
        """Whether what is to run has been found right."""
        return self.verified is not None and revision_of(self.verified) == self.revision

    @property
    def is_stopped(self) -> bool:
        """Whether nothing is to run: the image is refused, and there was none before it."""
        return self.refusal is not None and self.verified is None


def judge(skill: Skill, revision: str, said: Description) -> Refusal | None:
    """Return why what was said is not what the Skill wants; None if it is."""
    if said.skill_id != skill.id:
        return _refusal(skill, revision, "WrongSkill", f"it says that it is {said.skill_id!r}")
    if missing := sorted(set(skill.locales) - set(said.locales)):
        return _refusal(skill, revision, "LocaleMissing", f"it does not speak {', '.join(missing)}")
    if said.timeout_s > skill.deadline_s:
        message = f"a call may take {said.timeout_s:g} s, and the deadline is {skill.deadline_s} s"
        return _refusal(skill, revision, "DeadlineTooLong", message)
    return None


def choose(
    wanted: Object, verified: Object | None, verdict: Description | Refusal | None, before: Refusal | None
) -> Choice:
    """Return which template is to run.

    Args:
        wanted: What the spec asks for.
        verified: What the Deployment's annotation holds.
        verdict: What became of asking pods of the wanted template; None: none has answered.
        before: The refusal that the status holds.
    """
    revision = revision_of(wanted)
    refusal = verdict if isinstance(verdict, Refusal) else None
    if refusal is None and before is not None and before.revision == revision:
        refusal = before
    if refusal is not None:
        kept = verified if verified is not None and revision_of(verified) != revision else None
        return Choice(template=kept or wanted, verified=kept, refusal=refusal)
    found_right = isinstance(verdict, Description) or (verified is not None and revision_of(verified) == revision)
    return Choice(template=wanted, verified=wanted if found_right else verified, refusal=None)


def revision_of(template: Mapping[str, Any]) -> str:
    """Return a template's revision."""
    return str(template["metadata"]["labels"][REVISION])


def read_verified(deployment: Mapping[str, Any] | None) -> Object | None:
    """Return the template that a Deployment's annotation holds; None if there is none that can be read."""
    text = ((deployment or {}).get("metadata", {}).get("annotations") or {}).get(VERIFIED)
    try:
        template = json.loads(text) if text else None
        return template if template and revision_of(template) else None
    except (ValueError, KeyError, TypeError):
        return None


def write_verified(template: Object) -> str:
    """Return an annotation's value."""
    return json.dumps(template, sort_keys=True, separators=(",", ":"))


def _refusal(skill: Skill, revision: str, reason: str, message: str) -> Refusal:
    return Refusal(revision=revision, image=skill.image, reason=reason, message=f"{skill.image} is refused: {message}")
