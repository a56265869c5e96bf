"""The runbook of credentials, line by line: our commands are run, and what they print configures a real nats-server.

A cluster stands behind it that is as large as the runbook needs: the ConfigMap is what the server reads, Secrets are what pods hold from
their start on, and the operator makes the user of one Skill.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml
from nats.errors import Error
from typer.testing import CliRunner

from earshot_cli import publishing
from earshot_cli.app import app
from earshot_local.home import Home
from earshot_local.keyfile import load_keys
from earshot_topology import jwt
from support.nats import NatsServer, free_port
from support.older_keys import older_keys

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "runbooks" / "credentials.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
PLACEHOLDERS = {"HOUSEHOLD": "home", "DEVICE": "kitchen"}
POD = "bus-asr"


def blocks(section: str) -> list[list[str]]:
    """Return a section's commands, block by block, without what explains them."""
    found: list[list[str]] = [[]]
    for line in SECTIONS[section].splitlines():
        if not line.startswith("    "):
            found.append([])
            continue
        command = line.partition("  #")[0].strip()
        found[-1] += list(publishing.PUBLISH) if line.strip().startswith("# publish") else [command]
    return [block for block in found if block]


class Cluster:
    """A bus and who is on it."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "safe")
        self.folder = folder
        (folder / "nats.conf").write_text('max_control_line: 32768\ninclude "trust.conf"\n')
        self.server = NatsServer(port=free_port(), storage=folder / "store", config=folder / "nats.conf")
        self.objects: dict[str, dict[str, Any]] = {}
        # What pods hold, by the names of their Secrets.
        self.held: dict[str, str] = {}
        self.devices: dict[str, str] = {}

    def build(self) -> None:
        """Make keys and everything of them."""
        self.run("earshot bus secrets | kubectl apply -f -")
        self.run("kubectl -n earshot rollout restart deployment")
        self.run("earshot credentials issue device HOUSEHOLD DEVICE")
        self.start()

    def start(self) -> None:
        """Start the server."""
        self.server.start()
        asyncio.run(self.server.ready())

    def run(self, line: str) -> str:
        """Run a line of the runbook; return what ours printed."""
        parts = [shlex.split(part) for part in re.split(r" \| | && ", line)]
        given, printed = "", ""
        for words in parts:
            if words[0] == "earshot":
                given = printed = self.earshot(*words[1:], given=given)
            elif words[0] == "kubectl":
                given = self.kubectl(words[1:], given)
            else:
                assert words == ["base64", "-d"]
        return printed

    def earshot(self, *words: str, given: str = "") -> str:
        """Run a command of ours."""
        arguments = [PLACEHOLDERS.get(word, word) for word in words]
        if "--url" in arguments:
            at = arguments.index("--url")
            assert arguments[at:] == ["--url", "tls://bus.example.com:4222", "--ca", "ca.crt"]
            arguments[at:] = ["--url", self.server.url, "--patience", "20"]
        done = CliRunner().invoke(app, arguments, input=given, env={"EARSHOT_HOME": str(self.home.root)})
        assert done.exit_code == 0, (words, done.output, done.exception)
        if words[:3] == ("credentials", "issue", "device"):
            self.devices["new"] = Path(done.stdout.strip()).read_text()
        return done.stdout

    def kubectl(self, words: list[str], given: str) -> str:
        """Do what it does to what there is."""
        if words[:2] in (["-n", "earshot"], ["-n", "earshot-skills"]):
            words = words[2:]
        if words[:1] == ["apply"]:
            for content in yaml.safe_load_all(given):
                self.applied(content)
        elif words[:3] == ["rollout", "restart", "statefulset/nats"]:
            self.server.kill()
            self.start()
        elif words[:2] == ["rollout", "restart"]:
            self.started(words[2])
        elif words[:2] == ["delete", "secret"]:
            self.operator_works(anew=True)
        elif words[:2] == ["get", "secret"]:
            return self.held[words[2]]
        elif words[:2] == ["get", "configmap"]:
            return str(self.objects[words[2]]["data"]["trust.conf"])
        else:
            assert words[:2] == ["rollout", "status"], words
        return ""

    def applied(self, content: dict[str, Any]) -> None:
        """Store an object; pods of skills follow their Secrets."""
        name = content["metadata"]["name"]
        assert content["metadata"]["namespace"] == ("earshot-admin" if name == "bus-admin" else "earshot")
        self.objects[name] = content
        if name == "bus-trust":
            (self.folder / "trust.conf").write_text(content["data"]["trust.conf"])
        elif name.startswith("bus-skill-"):
            self.held[name] = content["stringData"]["user.creds"]

    def started(self, what: str) -> None:
        """Start pods anew: they hold what their Secrets do."""
        for name, content in self.objects.items():
            if name.startswith("bus-") and name != "bus-trust" and what in {"deployment", f"deployment/{name[4:]}"}:
                self.held[name] = content["stringData"]["user.creds"]
        if what in {"deployment", "deployment/operator"}:
            self.operator_works()

    def operator_works(self, *, anew: bool = False) -> None:
        """Make the user of a Skill, if its key has not signed the one that there is."""
        signing = self.objects["operator-signing"]["stringData"]
        key = jwt.SkillSigning(seed=signing["seed"].encode(), account=signing["account"])
        there = self.held.get("bus-skill-trivia", "")
        if anew or not there or jwt.read_claims(there)["iss"] != key.public:
            self.held["bus-skill-trivia"] = jwt.skill_user(key, "trivia")

    def let_in(self, credentials: str) -> bool:
        """Tell whether the bus lets somebody in."""

        async def connect() -> bool:
            file = self.folder / "who.creds"
            file.write_text(credentials)
            client = nats.NATS()
            try:
                await client.connect(
                    self.server.url,
                    user_credentials=str(file),
                    allow_reconnect=False,
                    max_reconnect_attempts=0,
                    error_cb=_ignore,
                )
            except Error as error:
                if "authorization" not in str(error).lower():
                    raise
                return False
            finally:
                await client.close()
            return True

        return asyncio.run(connect())

    def out(self) -> list[str]:
        """Return which pods are not let in."""
        return [name for name, credentials in self.held.items() if not self.let_in(credentials)]

    def walk(self, block: list[str], *, nobody_out: bool = True) -> str:
        """Run the lines of a block; look after each that nobody is out, and at the end anyway. Return what the first one printed."""
        first = ""
        for line in block:
            printed = self.run(line)
            first = first or printed
            if nobody_out or line is block[-1]:
                assert self.out() == [], line
        return first


async def _ignore(_error: Exception) -> None:
    pass


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Run a bus with a user of everybody."""
    made = Cluster(tmp_path)
    made.build()
    try:
        yield made
    finally:
        made.server.kill()


def asked_for(steps: tuple[str, ...]) -> list[str]:
    """Return the commands among steps, as the runbook has them."""
    return [step.partition("  #")[0].strip() for step in steps if not step.startswith("#")]


def test_a_device_was_stolen(cluster: Cluster) -> None:
    """It is out; its household gets another one."""
    stolen = cluster.devices["new"]
    (block,) = blocks("A device was stolen, or its file copied")
    cluster.walk(block)
    cluster.run("earshot credentials issue device HOUSEHOLD DEVICE")
    assert (cluster.let_in(stolen), cluster.let_in(cluster.devices["new"])) == (False, True)


def test_a_credential_of_a_service_or_skill_got_out(cluster: Cluster) -> None:
    """It is out, and nobody is meanwhile."""
    copies = {name: cluster.held[name] for name in (POD, "bus-skill-trivia", "bus-nlu", "bus-skill-clock")}
    cluster.walk(*blocks("A service's credential got out"))
    cluster.walk(["earshot credentials revoke skill clock", "earshot bus secrets bus-skill-clock | kubectl apply -f -"])
    cluster.walk(*blocks("A skill's credential got out"))
    assert [cluster.let_in(copy) for copy in copies.values()] == [False, False, True, False]


@pytest.mark.parametrize(
    ("kind", "section", "copied"),
    [
        ("service", "The key of services got out, or is to be replaced", ("bus-asr", "bus-operator")),
        ("skill", "The key of skills got out", ("bus-skill-clock", "bus-skill-trivia")),
    ],
)
def test_a_signing_key_is_replaced(cluster: Cluster, kind: str, section: str, copied: tuple[str, ...]) -> None:
    """Two keys for a while, and nobody is out; or at once. What the command prints is what the runbook has; streams stay."""
    account = load_keys(cluster.home).services
    two_steps, at_once = blocks(section)
    for block, steps, keep in (
        (two_steps, publishing.after_keeping(kind), True),
        (at_once, publishing.after_replacing(kind), False),
    ):
        copies = [cluster.held[name] for name in copied]
        assert block[1:] == asked_for(steps)
        printed = cluster.walk(block, nobody_out=keep)
        assert [line.strip() for line in printed.splitlines() if line.startswith("  ")] == list(steps)
        assert [cluster.let_in(copy) for copy in copies] == [False, False]
        assert cluster.let_in(cluster.devices["new"]), "keys of other kinds are as they were"
    assert load_keys(cluster.home).services == account


def test_the_key_of_devices_is_replaced(cluster: Cluster) -> None:
    """At once, or by and by: then whoever has an old one is named, and let in until the end."""
    at_once, by_and_by = blocks("The key of devices got out")
    old = cluster.devices["new"]
    cluster.walk(at_once)
    new = cluster.devices["new"]
    assert (cluster.let_in(old), cluster.let_in(new)) == (False, True)
    end = 1 + len(publishing.PUBLISH)
    cluster.walk(by_and_by[:-end])
    assert (cluster.let_in(new), cluster.let_in(cluster.devices["new"])) == (True, True)
    cluster.walk(by_and_by[-end:])
    assert (cluster.let_in(new), cluster.let_in(cluster.devices["new"])) == (False, True)
    assert asked_for(publishing.after_keeping("device")) == by_and_by[1:]
    assert asked_for(publishing.after_replacing("device")) == at_once[1:]


def test_everything_got_out(cluster: Cluster) -> None:
    """Who has a copy of keys.json makes nobody any more; whoever is there stays."""
    thief = load_keys(cluster.home)
    (block,) = blocks("`keys.json` got out")
    assert block[1:] == asked_for(publishing.AFTER_ANOTHER_OPERATOR)
    cluster.walk(block)
    assert not cluster.let_in(jwt.system_user(thief))
    assert cluster.let_in(jwt.skill_user(thief.skill_signing, "toy")), "that key is still good"
    cluster.walk(blocks("The key of skills got out")[0])
    assert not cluster.let_in(jwt.skill_user(thief.skill_signing, "toy"))
    assert cluster.let_in(cluster.devices["new"])


def test_the_keys_were_lost(cluster: Cluster) -> None:
    """Everybody stays, who was called back stays out, and keys that there are can't be overwritten."""
    copy = cluster.held[POD]
    cluster.walk(*blocks("A service's credential got out"))
    account = load_keys(cluster.home).services
    (block,) = blocks("`keys.json` was lost")
    refused = CliRunner().invoke(app, ["credentials", "recover", "-"], env={"EARSHOT_HOME": str(cluster.home.root)})
    assert getattr(refused.exception, "code", "") == "keys_present"
    cluster.home = Home(cluster.folder / "another")
    nothing = CliRunner().invoke(app, ["credentials", "recover", "-"], env={"EARSHOT_HOME": str(cluster.home.root)})
    assert getattr(nothing.exception, "code", "") == "trust_unreadable"
    cluster.walk(block)
    assert load_keys(cluster.home).services == account
    assert not cluster.let_in(copy)
    assert cluster.let_in(cluster.devices["new"])
    cluster.walk(blocks("The key of services got out, or is to be replaced")[0])


def test_every_command_of_the_runbook_is_run() -> None:
    """A section that gets commands gets a test."""
    run = {
        "How a revocation reaches the servers",
        "A device was stolen, or its file copied",
        "A service's credential got out",
        "A skill's credential got out",
        "The key of services got out, or is to be replaced",
        "The key of skills got out",
        "The key of devices got out",
        "`keys.json` got out",
        "`keys.json` was lost",
        "A folder of an older version",
    }
    assert {section for section in SECTIONS if blocks(section)} == run
    assert blocks("How a revocation reaches the servers") == [list(publishing.PUBLISH)]


def test_a_folder_of_an_older_version(tmp_path: Path) -> None:
    """The accounts' own keys sign nobody once the section is through; until then they do, who is there by them is named, and nobody is out."""
    made = Cluster(tmp_path)
    made.home.make()
    older = older_keys()
    made.home.keys.write_text(json.dumps(older))
    made.build()
    account = load_keys(made.home).services
    own = jwt._user("asr", jwt._USER_LIMITS, account=account, signer=older["account"].encode())
    try:
        assert made.let_in(own)
        (block,) = blocks("A folder of an older version")
        made.walk(block)
        assert not made.let_in(own)
        assert load_keys(made.home).services == account
    finally:
        made.server.kill()
