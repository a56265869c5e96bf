"""What a stack consists of, without starting anything."""

import socket
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from earshot_local import patience
from earshot_local.backoff import Backoff
from earshot_local.errors import InvalidScaleError, UndeclaredRoleError
from earshot_local.plan import (
    SERVICE_ENTRY_POINTS,
    SERVICES,
    SKILL_ENTRY_POINTS,
    Service,
    discovered,
    parse_scale,
    replica_environment,
    replicas,
    shared_environment,
    target,
)
from earshot_local.ports import Ports
from earshot_topology.permissions import ROLES

ROOT = Path(__file__).resolve().parents[2]


def test_a_scale_is_read_as_people_write_it():
    """Spaces and an empty text are fine."""
    assert parse_scale("asr=3, nlu=2") == {"asr": 3, "nlu": 2}
    assert parse_scale("") == {}


@pytest.mark.parametrize("text", ["asr", "asr=", "asr=two", "asr=-1", "=3"])
def test_a_scale_that_can_not_be_read_is_named(text):
    """The message shows the part that was not understood and an example."""
    with pytest.raises(InvalidScaleError, match=r"asr=3,nlu=2|no service"):
        replicas(SERVICES, parse_scale(text), Ports())


def test_every_replica_has_ports_of_its_own():
    """No two replicas share a port, and a target names all replicas of its service alone."""
    layout = replicas(SERVICES, {"asr": 3, "tts": 0}, Ports())
    ports = [port for replica in layout for port in (replica.grpc_port, replica.http_port)]
    assert len(set(ports)) == len(ports)
    assert target("asr", layout).count(",") == 2
    with pytest.raises(KeyError):
        target("tts", layout)


def test_a_setting_of_the_user_is_kept_and_an_address_of_the_stack_is_not_overridden():
    """The user's log level wins over ours; the user's bus does not win over the one that was started."""
    layout = replicas(SERVICES, {}, Ports())
    inherited = {"EARSHOT_LOG_LEVEL": "debug", "EARSHOT_NATS_URL": "nats://elsewhere"}
    shared = shared_environment(
        inherited=inherited, nats_url="nats://here", otlp_endpoint="http://t", layout=layout, nodes=1
    )
    assert shared["EARSHOT_LOG_LEVEL"] == "debug"
    assert shared["EARSHOT_NATS_URL"] == "nats://here"
    assert shared["EARSHOT_NLU_TARGET"] == target("nlu", layout)
    own = replica_environment(layout[0], None)
    assert own["EARSHOT_INSTANCE_ID"] == "asr-0"
    assert "EARSHOT_NATS_CREDENTIALS" not in own


@pytest.mark.parametrize(("nodes", "deadlines"), [(1, [None, None]), (3, ["12", "12"])])
def test_a_turn_on_a_cluster_may_take_as_long_as_an_election(nodes, deadlines):
    """Services have 12 s where leaders are elected in up to 9, and their own default else; the user's word wins."""
    layout = replicas(SERVICES, {}, Ports())
    names = ["EARSHOT_ASR_DEADLINE_S", "EARSHOT_DIALOGUE_ANSWER_WITHIN_S"]

    def shared(**inherited):
        return shared_environment(
            inherited=inherited, nats_url="nats://here", otlp_endpoint="", layout=layout, nodes=nodes
        )

    assert [shared().get(name) for name in names] == deadlines
    assert [shared(EARSHOT_ASR_DEADLINE_S="5").get(name) for name in names] == ["5", deadlines[1]]


def test_a_device_waits_for_the_clouds_own_apology():
    """On a cluster too, where that comes later; what the environment sets is left to it."""
    assert patience.of_devices(1, {}) == {}
    longer = patience.of_devices(3, {"earshot_device_speech_timeout_s": "1"})
    assert set(longer) == {"answer_timeout_s", "segment_timeout_s"}
    assert longer["answer_timeout_s"] > float(patience.of_services(3)["EARSHOT_ASR_DEADLINE_S"])


def test_a_wanted_port_is_given_unless_it_is_taken():
    """The wanted port where it is free, another where a stranger listens, and never the same twice."""
    ports = Ports()
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        assert ports.take(taken) != taken
    free = ports.take()
    assert ports.take(free) == free
    assert len({Ports().take() for _ in range(50)} | {free}) == 51


def test_backoff_grows_to_its_limit_and_forgets_after_a_healthy_life():
    """Half a second, doubling, at most ten; a process that lived long begins anew."""
    backoff = Backoff()
    assert [backoff.crashed(0.1) for _ in range(7)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert backoff.looping
    assert backoff.crashed(31.0) == 0.5
    assert not backoff.looping


def test_every_skill_of_the_repository_is_found_by_its_entry_point():
    """A folder under services/skills is a service of the stack under its own name, and ASR waits for it."""
    folders = sorted((Path(__file__).resolve().parents[2] / "services" / "skills").glob("*/pyproject.toml"))
    ids = [path.parent.name for path in folders]
    assert ids
    assert [service.name for service in SERVICES if service.skill] == ids
    assert [service.role for service in SERVICES if service.skill] == [f"skill-{name}" for name in ids]
    (asr,) = (service for service in SERVICES if service.name == "asr")
    assert set(ids) < set(asr.after)


def test_a_service_without_a_role_is_told_before_anything_starts():
    """What it may say on the bus is declared by those who look after it; nothing is assumed."""
    with pytest.raises(UndeclaredRoleError, match="no role 'echo'") as refused:
        replicas([Service(name="echo", module="http", role="echo")], {}, Ports())
    assert refused.value.code == "role_not_declared"


def test_every_service_that_is_shipped_is_found_by_its_entry_point():
    """A folder of deploy/base is a service or skill of the stack, with the role of its name, and a role that is declared."""
    folders = [path.parent.name for path in (ROOT / "deploy" / "base").glob("*/deployment.yaml")]
    assert sorted(service.role for service in SERVICES) == sorted(folders)
    assert {service.role for service in SERVICES if service.core} <= ROLES.keys()


def test_a_service_needs_no_more_than_an_entry_point():
    """Services come first, then skills, each in the order of names; one whose folder was deleted is left out."""
    dice = EntryPoint(name="dice", value="json", group=SKILL_ENTRY_POINTS)
    bell = EntryPoint(name="bell", value="email", group=SKILL_ENTRY_POINTS)
    gone = EntryPoint(name="gone", value="earshot_skill_gone", group=SKILL_ENTRY_POINTS)
    echo = EntryPoint(name="echo", value="http", group=SERVICE_ENTRY_POINTS)
    asr = EntryPoint(name="asr", value="wave", group=SERVICE_ENTRY_POINTS)
    found = discovered((dice, echo, gone, bell, asr))
    assert [(service.name, service.module, service.role) for service in found] == [
        ("asr", "wave", "asr"),
        ("echo", "http", "echo"),
        ("bell", "email", "skill-bell"),
        ("dice", "json", "skill-dice"),
    ]
    assert [service.core for service in found] == [True, True, False, False]
    assert [service.after for service in found] == [("tts", "bell", "dice"), (), (), ()]
