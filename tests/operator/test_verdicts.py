"""Which template runs, and what the status says of it: pure, in every order in which a pass may find the cluster."""

from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import replace

import pytest
import yaml

from earshot_operator.core import objects, status, verdicts
from earshot_operator.core.observed import Pod, Rollout
from earshot_operator.core.skill import parse
from earshot_operator.core.verdicts import Description, Refusal, judge
from earshot_operator.credentials import Issuer
from earshot_operator.errors import SigningKeyError
from earshot_operator.handlers import Pace
from earshot_operator.settings import OperatorSettings
from earshot_topology import jwt
from support.kube import reasons
from support.kube.operating import ROOT

PLATFORM = OperatorSettings().platform()
DONE = Rollout(wanted=1, updated=1, total=1, available=1, seen=True, late=False)
READYING = Rollout(wanted=2, updated=2, total=2, available=1, seen=True, late=False)
ROLLING = Rollout(wanted=2, updated=1, total=3, available=2, seen=True, late=False)
LATE = Rollout(wanted=1, updated=1, total=2, available=1, seen=True, late=True)
NOW = "2026-01-01T00:00:00Z"


def skill(image="toy:1", **spec):
    """Return a Skill."""
    metadata = {"name": "toy", "namespace": "earshot", "uid": "u", "generation": 1}
    return parse({"metadata": metadata, "spec": {"image": image, "locales": ["en-US", "zh-CN"], **spec}})


def template(image="toy:1"):
    """Return a template."""
    return objects.desired_template(skill(image), PLATFORM)


def said(**other):
    """Return what a process says of itself."""
    fields = {"skill_id": "toy", "version": "1.0.0", "locales": ("en-US", "zh-CN"), "timeout_s": 2.0}
    return Description(**(fields | other))


def pod(image="toy:1", *, ready=True, trouble=""):
    """Return a pod of a template."""
    revision = verdicts.revision_of(template(image))
    return Pod(name=f"pod-{image}", address="127.0.0.1", image=image, revision=revision, ready=ready, trouble=trouble)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"skill_id": "other"}, "WrongSkill"),
        ({"locales": ("en-US",)}, "LocaleMissing"),
        ({"timeout_s": 5.5}, "DeadlineTooLong"),
    ],
)
def test_what_is_said_is_judged_by_the_spec(other, reason):
    """Who it is, what it speaks, how long it may take; more than is asked for is fine."""
    assert judge(skill(), "r", said(locales=("en-US", "fr-FR", "zh-CN"), timeout_s=5.0)) is None
    assert judge(skill(), "r", said(**other)).reason == reason


def test_the_last_template_that_was_right_runs_on():
    """Refused is put back; what was not asked yet is tried; a refusal holds until the spec is another."""
    one, two, three = (template(f"toy:{number}") for number in (1, 2, 3))
    refusal = Refusal(revision=verdicts.revision_of(two), image="toy:2", reason="LocaleMissing", message="")
    tried = verdicts.choose(two, one, None, None)
    assert (tried.template, tried.verified, tried.is_verified) == (two, one, False)
    refused = verdicts.choose(two, one, refusal, None)
    assert (refused.template, refused.verified, refused.refusal) == (one, one, refusal)
    again = verdicts.choose(two, one, None, refusal)
    assert (again.template, again.refusal) == (one, refusal), "whoever follows goes by the status"
    other = verdicts.choose(three, one, None, refusal)
    assert (other.template, other.refusal) == (three, None)
    right = verdicts.choose(three, one, said(), refusal)
    assert (right.template, right.verified) == (three, three)
    first = verdicts.choose(two, None, refusal, None)
    assert (first.is_stopped, first.verified) == (True, None), "there is nothing to put back: nothing runs"
    assert not any(choice.is_stopped for choice in (tried, refused, again, other, right))
    assert objects.deployment(skill(), PLATFORM, first.template, verified=False, stopped=True)["spec"]["replicas"] == 0


def test_nothing_is_taken_away_for_what_has_not_said_what_it_is():
    """Its pods do not count until then, ready or not; a rollout that stands still is late after that."""
    tried = objects.deployment(skill(), PLATFORM, template(), verified=False)["spec"]
    assert tried["minReadySeconds"] == tried["progressDeadlineSeconds"] - 1
    assert "minReadySeconds" not in objects.deployment(skill(), PLATFORM, template(), verified=True)["spec"]


def test_what_serves_is_what_served_before_until_there_is_more_of_another():
    """One replica each, in whatever order they are listed: the new one may yet be refused."""
    trying = verdicts.choose(template("toy:2"), template(), None, None)
    for other in ("a", "z"):
        pods = (pod(), replace(pod("toy:2"), name=other))
        told = observe(
            trying, ROLLING, tuple(sorted(pods, key=lambda each: each.name)), {"pod-toy:1": "1.0.0", other: "2.0.0"}
        )
        assert status.status_of(told, 2, {"version": "1.0.0"}, NOW)["version"] == "1.0.0"
        assert status.status_of(told, 2, {"version": "2.0.0"}, NOW)["version"] == "2.0.0"


def test_an_annotation_that_can_t_be_read_is_none():
    """Somebody may have written into it."""
    one = template()
    kept = {"metadata": {"annotations": {verdicts.VERIFIED: verdicts.write_verified(one)}}}
    assert verdicts.read_verified(kept) == one
    for wrong in ("", "{", "[]", "{}", json.dumps({"metadata": {}})):
        assert verdicts.read_verified({"metadata": {"annotations": {verdicts.VERIFIED: wrong}}}) is None
    assert verdicts.read_verified(None) is None


def observe(choice, rollout, pods, registered, problem=None):
    """Return what the status is made from."""
    return status.Observed(pods=pods, rollout=rollout, choice=choice, registered=registered, problem=problem)


def conditions(made):
    """Return status and reason by type."""
    reasons.check(made["conditions"])
    return {each["type"]: (each["status"], each["reason"]) for each in made["conditions"]}


def test_conditions_say_what_serves_and_what_does_not():
    """From nothing to serving, a failing update beside it, and what keeps the operator from working at all."""
    right = verdicts.choose(template(), template(), None, None)
    none = status.status_of(
        observe(right, Rollout(wanted=1, updated=0, total=0, available=0, seen=False, late=False), (), {}), 1, {}, NOW
    )
    assert conditions(none)["Available"] == ("False", "NoReplicaReady")
    assert conditions(none)["Progressing"] == ("True", "RollingOut")
    unregistered = status.status_of(observe(right, DONE, (pod(),), {}), 1, {}, NOW)
    assert conditions(unregistered)["Available"] == ("False", "NotRegistered")
    assert conditions(unregistered)["Progressing"] == ("True", "WaitingForRegistration")
    serving = status.status_of(observe(right, DONE, (pod(),), {"pod-toy:1": "1.0.0"}), 1, {}, NOW)
    assert status.settled(serving)
    assert (serving["version"], serving["ready"]) == ("1.0.0", 1)
    trying = verdicts.choose(template("toy:2"), template(), None, None)
    pods = (pod(), pod("toy:2", ready=False, trouble="ImagePullBackOff: not found"))
    failed = status.status_of(observe(trying, LATE, pods, {"pod-toy:1": "1.0.0"}), 2, serving, "2026-01-02T00:00:00Z")
    assert conditions(failed)["Degraded"] == ("True", "UpdateFailed")
    assert conditions(failed)["Available"] == ("True", "Serving")
    (degraded,) = [each for each in failed["conditions"] if each["type"] == "Degraded"]
    assert degraded["message"] == "pod-toy:2: ImagePullBackOff: not found; toy:1 keeps serving"
    assert degraded["lastTransitionTime"] == "2026-01-02T00:00:00Z"
    (available,) = [each for each in failed["conditions"] if each["type"] == "Available"]
    assert available["lastTransitionTime"] == NOW, "it has been so all the time"
    blocked = status.status_of(
        observe(None, DONE, (pod(),), {"pod-toy:1": "1.0.0"}, ("InvalidSpec", "no")), 3, failed, NOW
    )
    assert conditions(blocked)["Degraded"] == ("True", "InvalidSpec")
    assert conditions(blocked)["Available"] == ("True", "Serving")


@pytest.mark.parametrize(
    ("rollout", "verified", "registered", "away", "reason", "says"),
    [
        (ROLLING, True, {}, "", "RollingOut", "1 of 2 replicas updated, 2 available"),
        (ROLLING, True, None, "BusUnavailable", "RollingOut", "1 of 2 replicas updated, 2 available; it is away"),
        (READYING, True, {}, "", "WaitingForReadiness", "1 of 2 replicas available"),
        (READYING, True, None, "RegistryUnavailable", "WaitingForReadiness", "1 of 2 replicas available; it is away"),
        (DONE, False, {}, "", "WaitingForDescribe", "no replica has answered Describe yet"),
        (DONE, False, None, "BusUnavailable", "WaitingForDescribe", "no replica has answered Describe yet"),
        (DONE, True, None, "BusUnavailable", "WaitingForBus", "it is away"),
        (DONE, True, None, "RegistryUnavailable", "WaitingForRegistry", "it is away"),
        (DONE, True, {}, "", "WaitingForRegistration", "1 replica not in the registry yet"),
    ],
)
def test_what_is_waited_for_is_told(rollout, verified, registered, away, reason, says):
    """The Deployment, a description, the bus, the registry or a registration, each by its own name; nothing is blocked."""
    choice = verdicts.choose(template(), template() if verified else None, None, None)
    told = status.Observed(
        pods=(pod(),),
        rollout=rollout,
        choice=choice,
        registered=registered,
        away=(away, "it is away") if away else None,
        # Is said beside what somebody can do something about.
        unmet=("PrometheusMissing", "no address"),
    )
    made = status.status_of(told, 1, {}, NOW)
    (progressing,) = [each for each in made["conditions"] if each["type"] == "Progressing"]
    assert (progressing["status"], progressing["reason"], progressing["message"]) == ("True", reason, says)
    assert conditions(made)["Degraded"] == ("True", away or "PrometheusMissing")
    assert conditions(made)["Registered"] == (("Unknown", away) if away else ("False", "NoLease"))
    assert not status.settled(made)


def test_what_has_to_be_mended_is_told_before_what_passes():
    """A refusal stands while the bus is away; a rollout that is late may be so for the bus's sake, and is told as that."""
    refusal = Refusal(revision=verdicts.revision_of(template()), image="toy:1", reason="LocaleMissing", message="no")
    for choice, reason in (
        (verdicts.choose(template(), None, refusal, None), "LocaleMissing"),
        (verdicts.choose(template(), None, None, None), "BusUnavailable"),
    ):
        away = ("BusUnavailable", "it is away")
        told = status.Observed(pods=(), rollout=LATE, choice=choice, registered=None, away=away)
        assert conditions(status.status_of(told, 1, {}, NOW))["Degraded"] == ("True", reason)


def test_reasons_are_those_that_are_promised():
    """The operator's README, the definition and the code name the same ones."""
    definition = yaml.safe_load((ROOT / "deploy" / "crds" / "skills.yaml").read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    listed = set()
    for sentence in schema["conditions"]["description"].split(". "):
        type_, _, reasons_of = sentence.rstrip(".").partition(": ")
        listed |= {(type_, reason) for reason in re.findall(r"[A-Z]\w+", reasons_of)}
    assert listed == {(type_, reason) for type_, _, reason in reasons.promised()}
    code = "".join(path.read_text() for path in (ROOT / "services" / "operator" / "src").rglob("*.py"))
    assert [reason for _, _, reason in reasons.promised() if f'"{reason}"' not in code] == []
    assert len(reasons.promised()) > 40


def test_an_event_for_each_change_and_none_for_none():
    """What is told follows what was; the same change after another one is told again."""
    right = verdicts.choose(template(), template(), None, None)
    serving = status.status_of(observe(right, DONE, (pod(),), {"pod-toy:1": "1.0.0"}), 1, {}, NOW)
    gone = status.status_of(observe(right, DONE, (pod(ready=False),), {}), 1, serving, "2026-01-02T00:00:00Z")
    assert status.happenings(serving, serving) == []
    told = {(each.reason, each.warning, each.after) for each in status.happenings(serving, gone)}
    assert ("NoReplicaReady", True, NOW) in told


def test_a_first_image_that_is_refused_is_told():
    """Nothing serves, nothing is under way, and the conditions say why; what is only not asked for as it ought to be runs."""
    refusal = Refusal(
        revision=verdicts.revision_of(template()), image="toy:1", reason="LocaleMissing", message="no zh-CN"
    )
    stopped = verdicts.choose(template(), None, refusal, None)
    going = Rollout(wanted=0, updated=1, total=1, available=1, seen=True, late=False)
    made = status.status_of(observe(stopped, going, (pod(),), {}), 1, {}, NOW)
    assert conditions(made)["Available"] == ("False", "Stopped")
    assert conditions(made)["Progressing"] == ("False", "Refused")
    assert conditions(made)["Degraded"] == ("True", "LocaleMissing")
    right = verdicts.choose(template(), template(), None, None)
    lacking = status.Observed(
        pods=(pod(),),
        rollout=DONE,
        choice=right,
        registered={"pod-toy:1": "1"},
        unmet=("PrometheusMissing", "no address"),
    )
    made = status.status_of(lacking, 1, {}, NOW)
    assert conditions(made)["Degraded"] == ("True", "PrometheusMissing")
    assert status.settled(made), "waiting changes nothing"


def test_what_fails_is_tried_again_for_ever():
    """Soon, then after twice as long each time, and never later than it is told to; after years, too."""
    pace = Pace(poll_s=1, resync_s=60, retry_s=3)
    assert [pace.after(failures) for failures in (1, 2, 3, 4, 100_000)] == [0.5, 1, 2, 3, 3]


def test_a_deletion_that_waits_is_told_once():
    """For each reason that it waits for; other words are no other event, and another reason is no other beginning."""
    before = status.status_of(observe(None, DONE, (), {}), 1, {}, NOW)
    after, happening = status.deleting(before, ("PodsRemain", "a, b"), 1, NOW)
    assert conditions(after)["Deleting"] == ("True", "PodsRemain")
    assert (happening.reason, happening.warning, happening.message) == ("PodsRemain", True, "a, b")
    later, again = status.deleting(after, ("PodsRemain", "b"), 1, "2026-01-02T00:00:00Z")
    assert again is None
    (deleting,) = [each for each in later["conditions"] if each["type"] == "Deleting"]
    assert (deleting["message"], deleting["lastTransitionTime"]) == ("b", NOW)
    _, other = status.deleting(later, ("RegistryUnavailable", "away"), 1, "2026-01-03T00:00:00Z")
    assert (other.reason, other.after) == ("RegistryUnavailable", NOW)
    assert conditions(later).keys() == conditions(before).keys() | {"Deleting"}


def test_a_credential_is_made_once_and_renewed_in_time(tmp_path):
    """Kept while it is good; made anew with half of its life gone, for another key, for what can't be read."""
    keys = [jwt.Keys.generate().skill_signing for _ in range(2)]
    for name, value in (("seed", keys[0].seed.decode()), ("account", keys[0].account)):
        (tmp_path / name).write_text(value)
    clock = [time.time()]
    issuer = Issuer(tmp_path, hours=24, now=lambda: clock[0])
    first = issuer.credential(skill(), None)
    secret = first.secret
    assert secret is not None
    kept = issuer.credential(skill(), secret)
    assert (kept.expires, kept.secret) == (first.expires, None)
    clock[0] += 11 * 3_600
    assert issuer.credential(skill(), secret).secret is None
    clock[0] += 2 * 3_600
    renewed = issuer.credential(skill(), secret)
    assert renewed.secret is not None
    assert renewed.expires > first.expires
    for wrong in ("", "no credential"):
        broken = secret | {"data": {"user.creds": base64.b64encode(wrong.encode()).decode()}}
        assert issuer.credential(skill(), broken).secret is not None
    (tmp_path / "seed").write_text(keys[1].seed.decode())
    assert issuer.credential(skill(), renewed.secret).secret is not None, "the key is another one"
    (tmp_path / "seed").unlink()
    with pytest.raises(SigningKeyError) as caught:
        issuer.credential(skill(), secret)
    assert caught.value.code == "signing_key_missing"
