"""How a skill is doing: conditions, what serves, and what is worth an event.

Available     True: at least one replica serves and is registered
Progressing   True: something is under way, or waited for, and the reason says what
Degraded      True: it is not as the spec says, or nobody can tell; what serves goes on
Registered    True: the registry offers a version of it
Deleting      True: it is to go, and waits for something; there while it does
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from earshot_operator.core.observed import Pod, Rollout
from earshot_operator.core.verdicts import Choice, Refusal

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything that the status is made from.

    Attributes:
        pods: Those that stay; None if they can't be looked at.
        rollout: The Deployment's.
        choice: Which template runs; None if it could not be chosen.
        registered: Version by instance, of leases that hold; None if the registry can't be asked.
        problem: Reason and message of what keeps the operator from making what the Skill asks for.
        away: Reason and message of what keeps it from asking the registry; None where `registered` is known.
        unmet: Reason and message of what the Skill asks for and runs without.
        expires: When the bus credential does, as Kubernetes writes times; empty: there is none.
    """

    pods: tuple[Pod, ...] | None = ()
    rollout: Rollout
    choice: Choice | None = None
    registered: Mapping[str, str] | None
    problem: tuple[str, str] | None = None
    away: tuple[str, str] | None = None
    unmet: tuple[str, str] | None = None
    expires: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something worth an event.

    Attributes:
        warning: Whether somebody ought to look.
        reason: Of the condition.
        message: Of the condition.
        after: When what it follows began: tells two alike from each other.
    """

    warning: bool
    reason: str
    message: str
    after: str


def status_of(observed: Observed, generation: int, before: Mapping[str, Any], now: str) -> Object:
    """Return the whole status.

    Args:
        observed: What there is.
        generation: Of the spec that was looked at.
        before: The status as it is.
        now: The present moment, as Kubernetes writes it.
    """
    registered, pods = observed.registered or {}, observed.pods or ()
    serving = [pod for pod in pods if pod.ready and pod.name in registered]
    told = {
        "Available": _available(observed, serving),
        "Progressing": _progressing(observed),
        "Degraded": _degraded(observed, serving),
        "Registered": _registered(observed),
    }
    versions: dict[tuple[str, str, str], int] = {}
    for pod in serving:
        key = (registered[pod.name], pod.image, pod.revision)
        versions[key] = versions.get(key, 0) + 1
    made: Object = {
        "observedGeneration": generation,
        "ready": len(serving),
        # Of as many replicas each, that which served before: what has just become ready may yet be refused.
        "version": max(versions, key=lambda key: (versions[key], key[0] == before.get("version")))[0]
        if versions
        else "",
        "versions": [
            {"version": version, "image": image, "revision": revision, "ready": count}
            for (version, image, revision), count in sorted(versions.items())
        ],
        "conditions": [
            _condition(before.get("conditions", []), type_, each, generation, now) for type_, each in told.items()
        ],
    }
    if told["Available"][0] is None:
        # What was known last.
        made |= {name: before[name] for name in ("ready", "version", "versions") if name in before}
    if observed.expires:
        made["credentialExpires"] = observed.expires
    refusal = observed.choice.refusal if observed.choice is not None else read_refusal(before)
    if refusal is not None:
        made["refused"] = {
            "image": refusal.image,
            "revision": refusal.revision,
            "reason": refusal.reason,
            "message": refusal.message,
        }
    return made


def settled(status: Mapping[str, Any]) -> bool:
    """Tell whether there is nothing to wait for."""
    said = {each["type"]: (each["status"], each["reason"]) for each in status["conditions"]}
    return (said["Progressing"], said["Available"][0]) == (("False", "UpToDate"), "True")


def happenings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Happening]:
    """Return what has changed between two statuses and is worth an event."""
    known = {each["type"]: each for each in before.get("conditions", [])}
    found = []
    for each in after["conditions"]:
        old = known.get(each["type"])
        if old is not None and (old["status"], old["reason"]) == (each["status"], each["reason"]):
            continue
        if each["status"] == "Unknown":
            # What keeps it from being known is told by Degraded.
            continue
        bad = (each["type"], each["status"]) in {("Degraded", "True"), ("Available", "False")}
        if each["type"] == "Registered" or (old is None and (each["status"], each["type"]) == ("False", "Degraded")):
            continue
        if old is None and bad and each["type"] == "Available":
            # It has just been made: of course it does not serve yet.
            continue
        began = old["lastTransitionTime"] if old is not None else ""
        found.append(Happening(warning=bad, reason=each["reason"], message=each["message"], after=began))
    return found


def deleting(
    before: Mapping[str, Any], problem: tuple[str, str], generation: int, now: str
) -> tuple[Object, Happening | None]:
    """Return conditions of a Skill whose deletion waits, and what is worth an event: that it has begun to, for this reason.

    Args:
        before: The status as it is.
        problem: Reason and message of what it waits for.
        generation: Of the spec.
        now: The present moment, as Kubernetes writes it.
    """
    present = before.get("conditions", [])
    made = _condition(present, "Deleting", (True, *problem), generation, now)
    known = any((each["type"], each["reason"]) == ("Deleting", made["reason"]) for each in present)
    happening = Happening(
        warning=True, reason=made["reason"], message=made["message"], after=made["lastTransitionTime"]
    )
    conditions = [*(each for each in present if each["type"] != "Deleting"), made]
    return {"conditions": conditions}, None if known else happening


def read_refusal(status: Mapping[str, Any]) -> Refusal | None:
    """Return the refusal that a status holds."""
    held = status.get("refused")
    return Refusal(**{name: held[name] for name in ("revision", "image", "reason", "message")}) if held else None


def same_words(before: Mapping[str, Any], type_: str, reason: str, message: str) -> tuple[str, str]:
    """Return a problem that is tried again, in the words with which a condition told it first.

    Each attempt may fail in other words: the status would be written again for every one.
    """
    told = next((each for each in before.get("conditions", []) if each["type"] == type_), None)
    return reason, told["message"] if told is not None and told["reason"] == reason else message


Told = tuple[bool | None, str, str]


def _available(observed: Observed, serving: Sequence[Pod]) -> Told:
    registered, pods = observed.registered, observed.pods
    if pods is None:
        return None, "PodsUnknown", "the pods can't be looked at"
    if registered is None and any(pod.ready for pod in pods):
        return None, _away(observed)[0], "replicas are ready, and the registry can't be asked whether it knows them"
    if serving and registered is not None:
        images = ", ".join(sorted({f"{registered[pod.name]} ({pod.image})" for pod in serving}))
        return True, "Serving", f"{_replicas(len(serving))} of {images}"
    if observed.choice is not None and observed.choice.is_stopped and observed.problem is None:
        return False, "Stopped", "the image is refused, and there was none before it: nothing runs"
    if any(pod.ready for pod in pods):
        return False, "NotRegistered", "a replica is ready and the registry does not know it yet"
    return False, "NoReplicaReady", _trouble(pods) or "no replica is ready"


def _progressing(observed: Observed) -> Told:
    choice, rollout = observed.choice, observed.rollout
    if observed.problem is not None or choice is None:
        return False, "Blocked", observed.problem[1] if observed.problem else ""
    if choice.refusal is not None and choice.is_stopped:
        return False, "Refused", choice.refusal.message
    lacks = f"; {observed.away[1]}" if observed.away is not None else ""
    if rollout.late:
        why = _trouble(observed.pods or ()) or "the rollout has stood still for too long"
        return False, "DeadlineExceeded", why + lacks
    ready = rollout.done or any(pod.ready and pod.revision == choice.revision for pod in observed.pods or ())
    if ready and choice.refusal is None and not choice.is_verified:
        return True, "WaitingForDescribe", "no replica has answered Describe yet"
    return _rolled_out(observed, choice) if rollout.done else _rolling(rollout, lacks)


def _rolling(rollout: Rollout, lacks: str) -> Told:
    wanted, updated = _replicas(rollout.wanted), min(rollout.updated, rollout.wanted)
    if not rollout.replaced:
        return True, "RollingOut", f"{updated} of {wanted} updated, {rollout.available} available{lacks}"
    return True, "WaitingForReadiness", f"{rollout.available} of {wanted} available{lacks}"


def _rolled_out(observed: Observed, choice: Choice) -> Told:
    if choice.refusal is not None:
        return False, "Refused", choice.refusal.message
    if observed.registered is None:
        reason, message = _away(observed)
        return True, "WaitingForBus" if reason == "BusUnavailable" else "WaitingForRegistry", message
    registered = observed.registered
    missing = [pod.name for pod in observed.pods or () if pod.name not in registered]
    if missing:
        return True, "WaitingForRegistration", f"{_replicas(len(missing))} not in the registry yet"
    image = choice.template["spec"]["containers"][0]["image"]
    return False, "UpToDate", f"{_replicas(observed.rollout.wanted)} of {image}"


def _degraded(observed: Observed, serving: Sequence[Pod]) -> Told:
    keeps = f"; {serving[0].image} keeps serving" if serving else ""
    if observed.problem is not None:
        return True, *observed.problem
    if observed.choice is not None and observed.choice.refusal is not None:
        refusal = observed.choice.refusal
        return True, refusal.reason, refusal.message + (keeps if serving and serving[0].image != refusal.image else "")
    if observed.away is not None:
        # Before a rollout that is late: new replicas may be waiting for the same.
        return True, *observed.away
    if observed.rollout.late:
        why = _trouble(observed.pods or ()) or "the new replicas did not become ready in time"
        return True, "UpdateFailed" if serving else "NotStarted", why + keeps
    if observed.unmet is not None:
        return True, *observed.unmet
    return False, "AsExpected", ""


def _registered(observed: Observed) -> Told:
    if observed.registered is None:
        return None, *_away(observed)
    versions = sorted(set(observed.registered.values()))
    return (True, "Leased", ", ".join(versions)) if versions else (False, "NoLease", "no replica holds a lease")


def _away(observed: Observed) -> tuple[str, str]:
    return observed.away or ("RegistryUnavailable", "the registry can't be asked")


def _trouble(pods: Sequence[Pod]) -> str:
    return next((f"{pod.name}: {pod.trouble}" for pod in pods if pod.trouble), "")


def _replicas(count: int) -> str:
    return f"{count} replica{'' if count == 1 else 's'}"


def _condition(present: Sequence[Mapping[str, Any]], type_: str, told: Told, generation: int, now: str) -> Object:
    said = {True: "True", False: "False", None: "Unknown"}[told[0]]
    before = next((each for each in present if each["type"] == type_), None)
    since = before["lastTransitionTime"] if before is not None and before["status"] == said else now
    return {
        "type": type_,
        "status": said,
        "reason": told[1],
        "message": told[2],
        "lastTransitionTime": since,
        "observedGeneration": generation,
    }
