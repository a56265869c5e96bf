"""What is deployed: each service's pods and what scales them, from deploy/base or from what an overlay renders to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from earshot_cli.capacity.figures import PATH
from earshot_cli.errors import BadArgumentError, NotFoundError
from earshot_cli.scaling.scaledobjects import PodShape, ScaledObject, horizontal, pod_shape, scaled_object

_COMPONENT: Final = "app.kubernetes.io/component"
_AUTOSCALERS: Final = {"ScaledObject": scaled_object, "HorizontalPodAutoscaler": horizontal}
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# How many utterances a recogniser takes, and what it takes where no manifest says so.
SLOTS: Final = "EARSHOT_ASR_UTTERANCES"
DEFAULT_SLOTS: Final = 32
# What can be said of every skill at once.
_SKILLS: Final = "skills"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """One service or skill.

    Attributes:
        name: Its Deployment's.
        skill: Whether it is a skill.
        scaling: What scales it.
        pod: What one pod requests.
        source: Where its autoscaler is written.
    """

    name: str
    skill: bool
    scaling: ScaledObject
    pod: PodShape
    source: str

    @property
    def slots(self) -> int:
        """Utterances that a recogniser takes at once."""
        return int(self.pod.environment.get(SLOTS, DEFAULT_SLOTS))


def read(path: Path) -> tuple[Deployed, ...]:
    """Read every service below a folder like deploy/base, or in a file with what `kubectl kustomize` printed.

    Raises:
        NotFoundError: There is no such file or folder, or no autoscaler in it.
        BadArgumentError: Something can't be read.
    """
    files = sorted(path.glob("*/*.yaml")) if path.is_dir() else [path]
    written = [(file, document) for file in files for document in _documents(file)]
    deployments = {each["metadata"]["name"]: each for _, each in written if each["kind"] == "Deployment"}
    found = []
    for file, document in written:
        if document["kind"] in _AUTOSCALERS:
            scaling = _AUTOSCALERS[document["kind"]](document)
            if scaling.target not in deployments:
                raise BadArgumentError(f"{file}: {scaling.name} scales {scaling.target}, which is not there")
            deployment = deployments[scaling.target]
            found.append(
                Deployed(
                    name=scaling.target,
                    skill=deployment["metadata"].get("labels", {}).get(_COMPONENT) == "skill",
                    scaling=scaling,
                    pod=pod_shape(deployment),
                    source=str(file) if path.is_dir() else f"{scaling.kind} {scaling.name}",
                )
            )
    if not found:
        raise NotFoundError(
            f"{path}: no ScaledObject or HorizontalPodAutoscaler there; --base says where: a folder like deploy/base, or a "
            "file with what an overlay renders to"
        )
    # As turns pass them, and skills last.
    order = {name: place for place, name in enumerate(PATH)}
    return tuple(sorted(found, key=lambda each: (each.skill, order.get(each.name, len(order)), each.name)))


def _documents(file: Path) -> list[Mapping[str, Any]]:
    try:
        return [
            each
            for each in yaml.load_all(file.read_text(), _LOADER)
            if isinstance(each, dict) and {"kind"} <= each.keys()
        ]
    except FileNotFoundError as error:
        raise NotFoundError(f"{file}: no such file or folder; --base says where what is deployed is written") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadArgumentError(f"{file}: not YAML: {error}", code="bad_scaled_object") from error


def changed(deployed: Iterable[Deployed], given: Iterable[str]) -> tuple[Deployed, ...]:
    """Return what is deployed with `service.field=value` instead of what is written: target, cores, slots, least or most.

    "skills" is every skill. A target is written as in the trigger: that of CPU in per cent.

    Raises:
        BadArgumentError: There is no such service or field (code `unknown_assumption`), or its value is no positive number.
    """
    found = {each.name: each for each in deployed}
    for text in given:
        left, equals, value = (part.strip() for part in text.partition("="))
        name, _, field = left.rpartition(".")
        names = [name] if name in found else [each.name for each in found.values() if each.skill and name == _SKILLS]
        if not names or field not in _FIELDS:
            raise BadArgumentError(
                f"there is no {left!r}: give one of {', '.join(found)}, {_SKILLS}, with one of "
                f"{', '.join(f'.{each}' for each in _FIELDS)}",
                code="unknown_assumption",
            )
        try:
            number = float(value)
        except ValueError as error:
            raise BadArgumentError(f"{text!r}: give {left}=number") from error
        if not equals or not 0 < number < float("inf"):
            raise BadArgumentError(f"{text!r}: give {left}=number above 0")
        found.update({each: _changed(found[each], field, number) for each in names})
    return tuple(found.values())


_FIELDS: Final = ("target", "cores", "slots", "least", "most")


def _changed(each: Deployed, field: str, value: float) -> Deployed:
    if field == "cores":
        return replace(each, pod=replace(each.pod, cores=value))
    if field == "slots":
        environment = {**each.pod.environment, SLOTS: str(max(1, round(value)))}
        return replace(each, pod=replace(each.pod, environment=environment))
    if field == "target":
        aimed = tuple(trigger.aiming(value) for trigger in each.scaling.triggers)
        return replace(each, scaling=replace(each.scaling, triggers=aimed))
    if field == "least":
        return replace(each, scaling=replace(each.scaling, minimum=round(value)))
    return replace(each, scaling=replace(each.scaling, maximum=round(value)))
