"""What the operator waits for is told while it waits, once, and is over when it is there: the real operator and skill."""

from __future__ import annotations

import aiohttp
import pytest
import yaml

from support.kube import real
from support.kube.images import Toy
from support.kube.operating import ACCOUNT, ROOT, operating
from support.nats import free_port

pytestmark = [
    pytest.mark.timeout(500),
    pytest.mark.skipif(bool(real.wanted()), reason="a cluster of our own is needed"),
]
TOYS = {"toy:1": Toy(version="1.0.0")}
KEDA = ROOT / "tests" / "support" / "crds" / "scaledobjects.yaml"
QUICKLY = {"EARSHOT_OPERATOR_RETRY_S": "0.3", "EARSHOT_OPERATOR_RESYNC_S": "3600"}


def passes(at_work, name="toy"):
    """Return how often the operator has begun to look at a Skill."""
    log = at_work.double.server.access.log
    return [(each.user, each.verb, each.resource, each.name) for each in log].count((ACCOUNT, "get", "skills", name))


def writes(at_work):
    """Return how often it has written a status or tried to tell an event."""
    asked = [(each.verb, each.resource) for each in at_work.double.server.access.log if each.user == ACCOUNT]
    return asked.count(("patch", "skills/status")), asked.count(("create", "events"))


async def failed_again(at_work):
    """Wait for three more failures; return what was written before them, and after."""
    before, failures = writes(at_work), at_work.log.count("reconcile_failed")
    await at_work.until(lambda: at_work.log.count("reconcile_failed") > failures + 2)
    return before, writes(at_work)


async def seen(at_work, name):
    """Wait until the operator has seen everything up to now: it has done a whole pass over a Skill that is newer."""
    at_work.write(name, image="none")
    await at_work.until(lambda: at_work.status(name))


async def test_what_is_missing_is_told_until_it_is_there(stack, tmp_path):
    """The skill serves beside it, nothing is written again and again, and a status that is written wakes nobody."""
    port = free_port()
    async with operating(stack, tmp_path, TOYS, EARSHOT_HTTP_PORT=str(port), **QUICKLY) as at_work:
        definition = yaml.safe_load(KEDA.read_text())
        at_work.api.delete(definition["apiVersion"], definition["kind"], definition["metadata"]["name"])
        at_work.start()
        at_work.write(image="toy:1")
        await at_work.until(lambda: at_work.condition("Available") == ("True", "Serving"))
        assert at_work.condition("Degraded") == ("True", "KindMissing")
        assert at_work.condition("Progressing") == ("False", "Blocked")
        before, after = await failed_again(at_work)
        assert before == after
        assert at_work.told().count(("Warning", "KindMissing")) == 1
        at_work.double.server.outage = lambda asked: (
            (asked.user, asked.verb, asked.resource) == (ACCOUNT, "get", "skills")
        )
        await at_work.until(lambda: "status_untold" in at_work.log)
        at_work.double.server.outage = None
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            counted = await answer.text()
        assert 'earshot_operator_failed_passes_total{code="kind_missing"' in counted
        assert 'earshot_operator_untold_total{code="cluster_unavailable"' in counted
        at_work.api.create(definition)
        await at_work.serving("1.0.0")
        assert at_work.condition("Degraded") == ("False", "AsExpected")
        await seen(at_work, "calm")
        count = passes(at_work)
        at_work.double.server.set_status(at_work.skill() | {"status": at_work.status() | {"version": "somebody's"}})
        await seen(at_work, "later")
        assert passes(at_work) == count


async def test_an_operator_that_starts_before_the_bus_tells_every_skill(stack, tmp_path):
    """What needs no bus is made, what runs is let alone; when the bus comes, it goes on by itself, and tells no more."""
    images = TOYS | {"late:1": Toy(version="1.0.0", id="late")}
    bus, both = stack.processes["nats-server"], ("toy", "late")
    # So long that nothing is given up in the time that the bus is away.
    async with operating(stack, tmp_path, images, EARSHOT_OPERATOR_PROGRESS_DEADLINE_S="600") as at_work:
        at_work.start()
        at_work.write(image="toy:1")
        await at_work.serving("1.0.0")
        at_work.kill()
        pods = [pod["metadata"]["uid"] for pod in at_work.pods()]
        made = at_work.find("apps/v1", "Deployment", "skill-toy")
        await bus.stop()
        at_work.start()
        at_work.write("late", image="late:1")
        for name in both:
            await at_work.until(lambda name=name: at_work.condition("Degraded", name) == ("True", "BusUnavailable"))
            assert at_work.condition("Registered", name) == ("Unknown", "BusUnavailable")
        # It waits for nothing that it has not been told: the new one's Deployment rolls.
        await at_work.until(lambda: at_work.condition("Progressing", "late") == ("True", "WaitingForReadiness"))
        (late,) = at_work.pods("late")
        assert late["spec"]["containers"][0]["image"] == "late:1"
        now = at_work.find("apps/v1", "Deployment", "skill-toy")
        assert (now["spec"], [pod["metadata"]["uid"] for pod in at_work.pods()]) == (made["spec"], pods)
        bus.start()
        for name in both:
            await at_work.serving("1.0.0", name)
            assert at_work.condition("Degraded", name) == ("False", "AsExpected")
            assert at_work.told(name).count(("Warning", "BusUnavailable")) == 1
        assert [pod["metadata"]["uid"] for pod in at_work.pods()] == pods


async def test_a_deletion_that_fails_is_told(stack, tmp_path):
    """Why it does not get on, in one event; when the API server is well again, the Skill goes."""
    async with operating(stack, tmp_path, TOYS, **QUICKLY) as at_work:
        at_work.start()
        at_work.write(image="toy:1")
        await at_work.until(lambda: at_work.find("v1", "Secret", "bus-skill-toy"))
        at_work.double.server.outage = lambda asked: asked.user == ACCOUNT and asked.resource == "secrets"
        at_work.delete()
        await at_work.until(lambda: at_work.condition("Deleting") == ("True", "ClusterUnavailable"))
        failures = at_work.log.count("cluster_unavailable")
        await at_work.until(lambda: at_work.log.count("cluster_unavailable") > failures + 2)
        assert at_work.told().count(("Warning", "ClusterUnavailable")) == 1
        at_work.double.server.outage = None
        await at_work.until(lambda: at_work.skill() is None)
