"""The bus in a cluster: what the development component is configured with runs; the chart's values agree with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
import pytest_asyncio
import yaml

from earshot_local.cluster_secrets import documents
from earshot_local.home import Home
from earshot_local.nats_server import MAX_CONTROL_LINE, MAX_PAYLOAD, Node, configuration, program
from earshot_local.plan import SERVICES, SKILLS
from earshot_topology import flows
from earshot_topology.permissions import inbox
from earshot_topology.policies import ADMIN_NAMESPACE, NAMESPACE
from earshot_topology.streams import BUCKETS, CONSUMERS, OBJECT_STORES, STREAMS
from support.manifests import DEPLOY, Object, named, of_kind, render, validate
from support.nats import free_port

POD = "nats-0"
VALUES = DEPLOY / "charts" / "nats.yaml"


@dataclass(frozen=True, slots=True)
class Bus:
    """The development component's server, as its pod runs it."""

    port: int
    monitor: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    def credentials(self, role: str) -> str:
        """Return the file that a pod of the role has mounted."""
        return str(self.folder / f"bus-{role}" / "user.creds")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """What `earshot bus secrets` prints, from a state folder that holds nothing yet."""
    return list(documents(Home(tmp_path_factory.mktemp("keys")), [skill.skill for skill in SKILLS]))


@pytest.fixture
def config() -> str:
    """The component's nats.conf, as it is mounted."""
    (found,) = [
        each
        for each in of_kind(render("overlays/dev"), "ConfigMap")
        if each["metadata"]["name"].startswith("nats-config-")
    ]
    text: str = found["data"]["nats.conf"]
    return text


@pytest_asyncio.fixture
async def bus(made: list[Object], config: str, tmp_path: Path) -> AsyncIterator[Bus]:
    """Run the server with that configuration; only paths and ports are this machine's."""
    port, monitor = free_port(), free_port()
    for ours, theirs in (
        ("0.0.0.0:4222", f"127.0.0.1:{port}"),
        ("0.0.0.0:8222", f"127.0.0.1:{monitor}"),
        ("/var/run/nats/", f"{tmp_path}/"),
        ('"/data"', f'"{tmp_path}/data"'),
    ):
        assert ours in config
        config = config.replace(ours, theirs)
    (tmp_path / "nats.conf").write_text(config)
    (tmp_path / "trust.conf").write_text(named(made, "ConfigMap", "bus-trust")["data"]["trust.conf"])
    for secret in of_kind(made, "Secret"):
        folder = tmp_path / secret["metadata"]["name"]
        folder.mkdir()
        for key, content in secret["stringData"].items():
            (folder / key).write_text(content)
    running = Bus(port, monitor, tmp_path, _started(tmp_path))
    try:
        await _healthy(running)
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def _started(folder: Path) -> subprocess.Popen[bytes]:
    command = [str(program()), "--config", str(folder / "nats.conf")]
    return subprocess.Popen(command, env={**os.environ, "POD_NAME": POD}, stderr=subprocess.DEVNULL)


async def _healthy(bus: Bus) -> None:
    probe = _container()["startupProbe"]["httpGet"]["path"]
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(retries=20)) as client:
        answer = await client.get(f"http://127.0.0.1:{bus.monitor}{probe}")
        assert answer.json() == {"status": "ok"}


def _container() -> Object:
    pod = named(render("overlays/dev"), "StatefulSet", "nats")["spec"]["template"]["spec"]
    container: Object = pod["containers"][0]
    return container


def _job(bus: Bus) -> subprocess.CompletedProcess[str]:
    """Run what the Job's container runs, with what it is told."""
    objects = render("overlays/dev/admin")
    container = named(objects, "Job", "bus-apply")["spec"]["template"]["spec"]["containers"][0]
    copies = named(objects, "ConfigMap", "bus")["data"]["replicas"]
    command = [sys.executable, *(part.replace("$(REPLICAS)", copies) for part in container["command"][1:])]
    told = {"EARSHOT_NATS_URL": bus.url, "EARSHOT_NATS_CREDENTIALS": bus.credentials("admin")}
    assert told.keys() <= {each["name"] for each in container["env"]}
    return subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True, check=False)


async def test_the_job_makes_everything_and_users_may_use_it(bus: Bus) -> None:
    """On an empty server the Job makes every stream, and again changes none; each service's Secret lets it in, as itself."""
    done = _job(bus)
    assert done.returncode == 0, done.stderr
    made = dict(line.split(": ") for line in done.stdout.splitlines())
    assert set(made.values()) == {"created"}
    assert len(made) == len(STREAMS) + len(BUCKETS) + len(OBJECT_STORES) + len(CONSUMERS)
    assert set(re.findall(r": (\w+)\n", _job(bus).stdout)) == {"unchanged"}
    for role in [service.role for service in SERVICES] + ["operator"]:
        client = await nats.connect(bus.url, user_credentials=bus.credentials(role), inbox_prefix=inbox(role))
        await client.flush()
        await client.close()
    refused: list[Exception] = []

    async def hear(error: Exception) -> None:
        refused.append(error)

    skill = await nats.connect(bus.url, user_credentials=bus.credentials("skill-clock"), error_cb=hear)
    await skill.publish("turn.outcome.h1.d1.t1", b"")
    await skill.flush()
    assert "permissions violation" in str(refused[0]).lower()
    await skill.close()


def test_nobody_else_is_let_in(bus: Bus, tmp_path: Path) -> None:
    """Users of other keys, and nobody in particular, are turned away."""
    others = list(documents(Home(tmp_path / "others"), []))
    file = tmp_path / "others.creds"
    file.write_text(named(others, "Secret", "bus-admin")["stringData"]["user.creds"])
    for more in ([], ["--credentials", str(file)]):
        told = subprocess.run(
            [sys.executable, "-m", "earshot_topology.apply", "--url", bus.url, *more],
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 1
        assert "could not be applied" in told.stderr


async def test_keda_finds_what_it_asks_for(bus: Bus, made: list[Object]) -> None:
    """The server is called what its pod is, and its monitoring knows the services' account by what KEDA is given."""
    assert _job(bus).returncode == 0
    account = named(made, "ConfigMap", "bus-trust")["data"]["account"]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{bus.monitor}") as client:
        assert (await client.get("/varz")).json()["server_name"] == POD
        answer = await client.get(f"/jsz?acc={account}&consumers=true&config=true")
    (found,) = answer.json()["account_details"]
    # KEDA takes the account that has this id, or this name, as its parameter says.
    assert found["id"] == account
    (parameter,) = [
        each["parameter"]
        for each in named(render("overlays/prod"), "TriggerAuthentication", "bus-monitoring")["spec"][
            "configMapTargetRef"
        ]
        if each["key"] == "account"
    ]
    assert parameter == "accountID"
    consumers = {
        (stream["name"], consumer["name"])
        for stream in found["stream_detail"]
        for consumer in stream.get("consumer_detail", [])
    }
    assert {(each.stream, each.durable) for each in CONSUMERS} <= consumers


def test_a_pod_that_ends_sends_its_clients_away_first(bus: Bus) -> None:
    """PreStop puts the server into lame duck mode; with no client left it ends by itself, within its grace time."""
    command = _container()["lifecycle"]["preStop"]["exec"]["command"]
    signalled = [str(program()), *(part.replace("/var/run/nats", str(bus.folder)) for part in command[1:])]
    assert subprocess.run(signalled, check=False, capture_output=True).returncode == 0
    assert bus.process.wait(timeout=40) == 0


def test_the_server_has_longer_than_its_lame_duck_mode(config: str) -> None:
    """Nothing is killed that is still sending clients away."""
    seconds = [int(found) for found in re.findall(r'lame_duck_\w+: "(\d+)s"', config)]
    assert len(seconds) == 2
    spec = named(render("overlays/dev"), "StatefulSet", "nats")["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] >= sum(seconds) + 5


def test_secrets_are_valid_and_each_opens_one_door(made: list[Object]) -> None:
    """What is printed can be applied; every role has a Secret of its own; the seeds of the keys are in none."""
    for content in made:
        validate(content)
        apart = content["metadata"]["name"] == "bus-admin"
        assert content["metadata"]["namespace"] == (ADMIN_NAMESPACE if apart else NAMESPACE)
    names = {each["metadata"]["name"] for each in of_kind(made, "Secret")}
    assert names == {f"bus-{service.role}" for service in SERVICES} | {"bus-admin", "bus-operator", "operator-signing"}
    for secret in of_kind(made, "Secret"):
        if secret["metadata"]["name"] == "operator-signing":
            # A scoped key: all that it can make is users of skills.
            assert secret["stringData"].keys() == {"account", "seed"}
            continue
        # SO and SA: seeds of operators and accounts; a user's begins with SU.
        assert re.findall(r"\bS[A-Z][A-Z2-7]{56}\b", yaml.safe_dump(secret, width=10_000))[0].startswith("SU")
        assert not re.search(r"\bS[OA][A-Z2-7]{56}\b", yaml.safe_dump(secret, width=10_000))


def _sizes(text: str) -> dict[str, int]:
    names = ("max_payload", "max_control_line", "max_memory_store", "max_file_store")
    return {name: int(found[1]) for name in names if (found := re.search(rf"{name}: (\d+)", text))}


def test_the_component_is_configured_as_one_machine_is(config: str, tmp_path: Path) -> None:
    """Limits are those with which everything is tested, and a pod's volume holds what the server may store."""
    node = Node(name="one", port=1, storage=tmp_path, monitor_port=2)
    local = configuration(node, secret="x")  # noqa: S106
    assert _sizes(config) == _sizes(local)
    assert len(_sizes(config)) == 4
    claim = named(render("overlays/dev"), "StatefulSet", "nats")["spec"]["volumeClaimTemplates"][0]["spec"]
    assert _bytes(claim["resources"]["requests"]["storage"]) > _sizes(config)["max_file_store"]


def _bytes(quantity: str) -> int:
    return int(quantity.removesuffix("Gi")) << 30


@pytest.fixture
def values() -> dict[str, Any]:
    """What production gives to the official chart."""
    read: dict[str, Any] = yaml.safe_load(VALUES.read_text())
    return read


def test_production_s_bus_agrees_with_its_overlay(values: dict[str, Any]) -> None:
    """Three nodes, by the names that clients and KEDA are told; TLS wherever there is a wire; limits as everywhere."""
    config = values["config"]
    bus = named(render("overlays/prod"), "ConfigMap", "bus")["data"]
    assert config["cluster"]["replicas"] == int(bus["replicas"]) == 3
    hosts = [f"tls://nats-{number}.nats-headless:{flows.BUS_PORT}" for number in range(3)]
    assert (values["fullnameOverride"], bus["url"].split(",")) == ("nats", hosts)
    assert bus["monitoring-endpoint"] == f"nats-headless.earshot.svc.cluster.local:{config['monitor']['port']}"
    applied = named(render("overlays/prod/admin"), "ConfigMap", "bus")["data"]
    # By the name that all nodes have, from another namespace.
    assert applied == {"replicas": bus["replicas"], "url": f"tls://nats-headless.earshot:{flows.BUS_PORT}"}
    theirs = named(render("overlays/prod/skills"), "ConfigMap", "bus")["data"]["url"].split(",")
    assert theirs == [host.replace("-headless:", "-headless.earshot:") for host in hosts]
    assert config["nats"]["tls"]["enabled"]
    assert config["cluster"]["tls"]["enabled"]
    assert config["cluster"]["merge"]["tls"]["verify"]
    assert values["tlsCA"] == {"enabled": True, "secretName": "bus-ca"}
    assert config["merge"]["max_payload"] == f"<< {MAX_PAYLOAD} >>"
    assert config["merge"]["max_control_line"] == f"<< {MAX_CONTROL_LINE} >>"
    # Pod names are server names: a prefix would hide the leader from KEDA.
    assert "serverNamePrefix" not in config


def test_production_s_bus_holds_what_is_declared(values: dict[str, Any]) -> None:
    """The streams of the topology fit, in memory and on disk, and the disk is larger than what may be stored on it."""
    stores = values["config"]["jetstream"]
    memory = sum(stream.max_bytes or 0 for stream in STREAMS if stream.storage and stream.storage.value == "memory")
    files = sum(stream.max_bytes or 0 for stream in STREAMS if stream.storage and stream.storage.value == "file")
    files += sum(each.max_bytes or 0 for each in (*BUCKETS, *OBJECT_STORES))
    assert memory < _bytes(stores["memoryStore"]["maxSize"])
    assert files < _bytes(stores["fileStore"]["maxSize"]) < _bytes(stores["fileStore"]["pvc"]["size"])
    limits = values["container"]["merge"]["resources"]["limits"]
    assert _bytes(limits["memory"]) > _bytes(stores["memoryStore"]["maxSize"])


def test_production_s_bus_mounts_what_it_includes(values: dict[str, Any]) -> None:
    """The included file is where the volume with the statements is mounted; pods of the chart are restricted like ours."""
    (mount,) = values["container"]["patch"]
    (volume,) = values["podTemplate"]["patch"]
    included = (Path("/etc/nats-config") / values["config"]["merge"]["$include"]).resolve()
    assert included == Path(mount["value"]["mountPath"]) / "trust.conf"
    assert (mount["value"]["name"], volume["value"]["configMap"]["name"]) == ("trust", "bus-trust")
    for container in (values["container"], values["reloader"]):
        assert container["merge"]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert values["podTemplate"]["merge"]["spec"]["securityContext"]["runAsNonRoot"] is True
