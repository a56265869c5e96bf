"""Whatever fails in a pass over a Skill, the Skill says so, and says no more of it when it is over."""

from __future__ import annotations

import pytest
from aiohttp import web

from earshot.skill.v1 import skill_pb2
from earshot_registry.wire import description_key, endpoint_key
from earshot_topology.apply import apply
from earshot_topology.policies import SCHEDULING_LABEL, SKILLS_NAMESPACE
from earshot_topology.streams import SKILL_ENDPOINTS, SKILLS
from support.kube.passing import passing
from support.nats import nats_server

STATUS = ("patch", "skills/status")
# Without these nobody can tell anything.
UNTELLABLE = {("get", "skills"), STATUS}
REASONS = {
    400: "Rejected",
    403: "Forbidden",
    404: "ChangedMeanwhile",
    409: "ChangedMeanwhile",
    422: "Rejected",
}
# Of what is lost with nothing but a line of the log.
LOSABLE = {("create", "events")}


@pytest.fixture
async def bus(tmp_path):
    """A bus with the registry's buckets."""
    async with nats_server(tmp_path / "bus") as server:
        yield server


async def register(bus, instance):
    """Register a replica, as a skill does."""
    client = await bus.connect()
    described = skill_pb2.SkillDescription(skill_id="toy", version="1.0.0", digest="d")
    endpoint = skill_pb2.SkillEndpoint(skill_id="toy", version="1.0.0", instance_id=instance, target="127.0.0.1:9")
    for bucket, key, value in (
        (SKILLS.bucket, description_key("toy", "1.0.0"), described),
        (SKILL_ENDPOINTS.bucket, endpoint_key("toy", "1.0.0", instance), endpoint),
    ):
        await client.jetstream().publish(f"$KV.{bucket}.{key}", value.SerializeToString())
    await client.close()


async def test_each_request_that_fails_is_told(tmp_path, bus, capsys):
    """Of reads and of writes, creations and changes: condition and event; where the Skill can't say it, the log does."""
    async with passing(tmp_path, bus) as one:
        server = one.cluster.server
        assert await one.once() == ""
        creations = set(one.asked())
        assert await one.once() == ""
        good, steps = one.skill["status"], creations | set(one.asked())
        made = [content for key, content in server.store.all().items() if "toy" in content["metadata"]["name"]]
        assert {("get", "scaledobjects"), ("list", "pods"), ("create", "secrets"), ("patch", "deployments")} < steps
        # Creations last: what was there is gone after them.
        for step in sorted(steps, key=lambda step: step[0] == "create"):
            server.set_status(one.skill | {"status": {} if step == STATUS else good})
            for content in made:
                if step[0] == "create" and content["kind"] != "Skill":
                    server.remove(content)
            server.outage = lambda asked, step=step: (asked.verb, asked.resource) == step
            capsys.readouterr()
            failed = await one.once()
            server.outage = None
            untold = "status_untold" in capsys.readouterr().out
            told = one.conditions().get("Degraded") == ("True", "ClusterUnavailable")
            wanted = ("", False, False)
            if step not in LOSABLE:
                wanted = ("cluster_unavailable", step not in UNTELLABLE, step in UNTELLABLE)
            assert (failed, told, untold) == wanted, step
        assert await one.once() == ""
        assert one.conditions()["Degraded"] == ("False", "AsExpected")
        assert one.events().count("ClusterUnavailable") == 1


async def test_what_lasts_is_told_once(tmp_path, bus):
    """Not at its first moment; then in one event and one write, however it goes on to fail; over, it is told no more."""
    async with passing(tmp_path, bus) as one:
        server = one.cluster.server
        assert await one.once() == ""
        server.outage = lambda asked: asked.resource == "networkpolicies"
        assert await one.once(lasting=False) == "cluster_unavailable"
        assert one.conditions()["Degraded"] == ("False", "AsExpected")
        assert await one.once() == "cluster_unavailable"
        assert one.conditions()["Degraded"] == ("True", "ClusterUnavailable")
        told = one.skill["status"]
        one.asked()
        server.outage = lambda asked: asked.resource == "services"
        assert await one.once() == "cluster_unavailable"
        assert not {STATUS, ("create", "events")} & set(one.asked())
        assert one.skill["status"] == told
        assert one.events().count("ClusterUnavailable") == 1
        server.outage = None
        assert await one.once() == ""
        assert one.conditions()["Degraded"] == ("False", "AsExpected")
        assert one.events().count("AsExpected") == 1


async def test_an_event_is_told_once_where_the_status_can_t_be_written(tmp_path, bus):
    """Each pass finds the status as it was; the event that follows it is the same, whatever fails this time."""
    async with passing(tmp_path, bus) as one:
        server = one.cluster.server
        assert await one.once() == ""
        for resource in ("services", "networkpolicies"):
            server.outage = lambda asked, resource=resource: asked.resource in {resource, "skills/status"}
            assert await one.once() == "cluster_unavailable"
        assert one.conditions()["Degraded"] == ("False", "AsExpected")
        assert one.events().count("ClusterUnavailable") == 1


async def test_what_is_known_is_told_beside_what_is_not(tmp_path, bus):
    """A replica serves while something else fails; what can't be asked is neither affirmed nor denied."""
    async with passing(tmp_path, bus) as one:
        server = one.cluster.server
        await one.once()
        one.run_pod("one")
        await register(bus, "one")
        await one.once()
        assert one.conditions()["Available"] == ("True", "Serving")
        server.outage = lambda asked: asked.resource == "scaledobjects"
        assert await one.once() == "cluster_unavailable"
        assert one.conditions()["Available"] == ("True", "Serving")
        server.outage = lambda asked: asked.resource == "pods"
        assert await one.once() == "cluster_unavailable"
        assert one.conditions()["Available"] == ("Unknown", "PodsUnknown")
        assert one.conditions()["Registered"] == ("True", "Leased")
        assert (one.skill["status"]["version"], one.skill["status"]["ready"]) == ("1.0.0", 1), "what was known last"
        server.outage = None
        assert await one.once() == ""
        assert one.conditions()["Available"] == ("True", "Serving")


async def test_a_bus_that_is_away_is_told(tmp_path, bus):
    """Whether replicas serve is unknown then; what needs no bus is done; with the bus, all is as before."""
    async with passing(tmp_path, bus) as one:
        server = one.cluster.server
        await one.once()
        one.run_pod("one")
        await register(bus, "one")
        await one.once()
        bus.kill()
        server.rewrite(one.skill | {"spec": one.skill["spec"] | {"scheduler": True}})
        assert await one.once() == "bus_unavailable"
        assert one.conditions()["Degraded"] == ("True", "BusUnavailable")
        assert one.conditions()["Available"] == one.conditions()["Registered"] == ("Unknown", "BusUnavailable")
        assert one.skill["status"]["version"] == "1.0.0", "what was known last"
        template = server.find("apps/v1", "Deployment", "skill-toy", SKILLS_NAMESPACE)["spec"]["template"]
        assert template["metadata"]["labels"][SCHEDULING_LABEL] == "true"
        assert one.events().count("BusUnavailable") == 1
        bus.start()
        await bus.ready()
        while await one.once():
            assert one.conditions()["Degraded"][0] == "True"
        assert one.conditions()["Degraded"] == ("False", "AsExpected")
        assert one.conditions()["Available"] == ("True", "Serving")


async def test_a_registry_that_is_away_is_no_bus_that_is(tmp_path, bus):
    """What is rolled out and said to be right waits for the registry alone, and says so; then for the registration."""
    async with passing(tmp_path, bus) as one:
        await one.once()
        one.run_pod("one")
        one.roll_out()
        assert await one.once() == ""
        # It is found right, and counts from now on.
        one.see()
        assert await one.once() == ""
        assert one.conditions()["Progressing"] == ("True", "WaitingForRegistration")
        client = await bus.connect()
        await client.jetstream().delete_stream("KV_SKILLS")
        assert await one.once() == "registry_unavailable"
        assert one.conditions()["Progressing"] == ("True", "WaitingForRegistry")
        assert one.conditions()["Degraded"] == ("True", "RegistryUnavailable")
        assert one.conditions()["Available"] == one.conditions()["Registered"] == ("Unknown", "RegistryUnavailable")
        bus.kill()
        assert await one.once() == "bus_unavailable"
        assert one.conditions()["Progressing"] == ("True", "WaitingForBus")
        bus.start()
        await bus.ready()
        await apply(client.jetstream())
        await client.close()
        await register(bus, "one")
        while await one.once():
            assert one.conditions()["Progressing"][0] == "True"
        assert one.conditions()["Progressing"] == ("False", "UpToDate")


async def test_what_nobody_has_foreseen_is_told(tmp_path, bus, capsys):
    """An error that is none of ours is one that is tried again, and in what words it came is the log's alone."""
    async with passing(tmp_path, bus) as one:
        await one.once()
        one.run_pod("one")
        one.said = ZeroDivisionError("a secret")
        assert await one.once() == "internal"
        assert "ZeroDivisionError: a secret" in capsys.readouterr().out
        assert one.conditions()["Degraded"] == ("True", "InternalError")
        assert "a secret" not in str(one.skill["status"])


async def test_what_somebody_has_to_change_is_told_first(tmp_path, bus):
    """Beside something that may pass by itself, too."""
    async with passing(tmp_path, bus) as one:
        await one.once()
        spec = one.skill["spec"] | {"secrets": [{"env": "KEY", "name": "none", "key": "key"}]}
        one.cluster.server.rewrite(one.skill | {"spec": spec})
        bus.kill()
        assert await one.once() == "bus_unavailable"
        assert one.conditions()["Degraded"] == ("True", "SecretMissing")
        assert one.conditions()["Registered"] == ("Unknown", "BusUnavailable")


@pytest.mark.parametrize(("verb", "resource"), [("list", "pods"), ("patch", "services")])
async def test_each_answer_has_its_reason(tmp_path, bus, verb, resource):
    """What passes by itself is tried again, what somebody has to change is not a failure; both are told."""
    async with passing(tmp_path, bus) as one:
        await one.once()
        for answer in (400, 401, 403, 404, 409, 422, 429, 500, 503):
            server = one.cluster.server
            server.outage = lambda asked, answer=answer: (
                (asked.verb, asked.resource) == (verb, resource) and web.json_response({"message": "no"}, status=answer)
            )
            reason = REASONS.get(answer, "ClusterUnavailable")
            again = {"ChangedMeanwhile": "changed_meanwhile", "ClusterUnavailable": "cluster_unavailable"}
            assert await one.once() == again.get(reason, "")
            assert one.conditions()["Degraded"] == ("True", reason), answer
            assert one.conditions()["Progressing"] == ("False", "Blocked")
            server.outage = None
            assert await one.once() == ""
            assert one.conditions()["Degraded"] == ("False", "AsExpected")


async def test_answers_that_are_none_are_failures(tmp_path, bus):
    """What is not JSON, whatever its status; and a server that asks to be left alone for a while is not slept for."""
    async with passing(tmp_path, bus) as one:
        await one.once()
        for answer in ({"text": "<html>"}, {"status": 503, "headers": {"Retry-After": "1"}}):
            one.cluster.server.outage = lambda asked, answer=answer: asked.resource == "pods" and web.Response(**answer)
            one.asked()
            assert await one.once() == "cluster_unavailable"
            assert one.conditions()["Degraded"] == ("True", "ClusterUnavailable")
            assert one.asked().count(("list", "pods")) == 1
