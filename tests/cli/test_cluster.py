"""earshot cluster status | doctor, as a shell runs it, against an API server of our own and a real nats-server behind it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import json
import os
import subprocess
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from nats.errors import Error
from nats.js.errors import APIError
from typer.testing import CliRunner

from earshot_cli.app import app
from earshot_cli.errors import sentence
from earshot_local.nats_server import trust_section
from earshot_topology import jwt
from earshot_topology.apply import apply
from earshot_topology.permissions import ROLES
from earshot_topology.policies import SKILLS_NAMESPACE
from support.kube.cluster import cluster
from support.kube.operating import DEPLOY
from support.manifests import of_kind, render
from support.nats import NatsServer, free_port

EARSHOT = Path(sys.executable).parent / "earshot"
PART_OF = {"app.kubernetes.io/part-of": "earshot"}
SERVICE = {"app.kubernetes.io/component": "service"}


async def earshot(kubeconfig, *arguments, environment=None):
    """Run a command with a kubeconfig."""
    return await asyncio.to_thread(
        subprocess.run,
        [str(EARSHOT), "cluster", *arguments],
        env={**os.environ, "KUBECONFIG": str(kubeconfig), "COLUMNS": "200", **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


async def answered(monkeypatch, kubeconfig, *arguments):
    """Run a command in this process; return its exit code and its JSON."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    result = await asyncio.to_thread(CliRunner().invoke, app, ["cluster", *arguments, "--json"])
    return result.exit_code, json.loads(result.stdout)


@contextlib.asynccontextmanager
async def monitored(folder, nodes=1):
    """Run a nats-server that tells how it is at the pod's address, or a cluster of them, at the pods' addresses."""
    routes = [free_port() for _ in range(nodes)]
    servers = []
    for number in range(nodes):
        config = folder / f"nats-{number}.conf"
        config.write_text(f'http: "{address_of(number)}:8222"\nmax_control_line: 32768\n')
        if nodes > 1:
            others = ", ".join(f'"nats://127.0.0.1:{route}"' for route in routes)
            config.write_text(
                f"{config.read_text()}server_name: nats-{number}\n"
                f'cluster {{ name: c, listen: "127.0.0.1:{routes[number]}", routes: [{others}] }}\n'
            )
        servers.append(NatsServer(port=free_port(), storage=folder / f"jetstream-{number}", config=config))
    try:
        for server in servers:
            server.start()
        for server in servers:
            await server.ready()
        client = await servers[0].connect()
        async with asyncio.timeout(60):
            await applied(client.jetstream())
        await client.jetstream().publish("turn.transcribed", b"x", timeout=10)
        await client.close()
        yield servers[0]
    finally:
        for server in servers:
            server.kill()


async def applied(jetstream):
    """Apply the topology as soon as a cluster is able to."""
    while True:
        try:
            return await apply(jetstream)
        except (Error, APIError):
            await asyncio.sleep(0.1)


def address_of(number):
    """Return where a pod of the bus is."""
    return f"127.77.4.{22 + number}"


def put(running, content, namespace="earshot"):
    """Store an object with its status."""
    status = content.pop("status", None)
    made = running.server.create(content, namespace)
    if status is not None:
        running.server.set_status(made | {"status": status})


def deployment(name, image, status, **labels):
    """Return a Deployment."""
    own = {"app.kubernetes.io/name": name, **PART_OF, **labels}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": own},
        "spec": {
            "replicas": status["wanted"],
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "template": {"metadata": {"labels": own}, "spec": {"containers": [{"name": "service", "image": image}]}},
        },
        "status": {"observedGeneration": 1} | {key: value for key, value in status.items() if key != "wanted"},
    }


# Where the pod is that tells the clock of the first node.
WITNESS = "127.77.4.41"


def pod(name, of, image, *, ready=True, waiting=None, address="10.0.0.1"):
    """Return a pod."""
    state = {"waiting": waiting} if waiting else {"running": {}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": of, **PART_OF, **SERVICE}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "service", "image": image}]},
        "status": {
            "phase": "Running",
            "podIP": address,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": "service", "restartCount": 2, "state": state}],
        },
    }


def keda(version):
    """Return KEDA's operator."""
    content = deployment("keda-operator", f"kedacore/keda:{version}", {"wanted": 1, "readyReplicas": 1})
    return content | {"metadata": {"name": "keda-operator", "labels": {"app.kubernetes.io/name": "keda-operator"}}}


def secret(name, days):
    """Return a Secret with a bus credential that lasts some days."""
    signing = jwt.Keys.generate().skill_signing
    file = jwt.skill_user(signing, "toy", expires=int(time.time() + days * 86_400))
    data = {"user.creds": base64.b64encode(file.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def called_back(running):
    """Put a service's credential into a Secret that the bus is told to let in no more, and one beside it."""
    keys = jwt.Keys.generate()
    files = {role: jwt.service_user(keys, role, ROLES[role]) for role in ("nlu", "tts")}
    revoked = {keys.services: {jwt.read_claims(files["nlu"])["sub"]: int(time.time())}}
    trust = trust_section(jwt.trust(keys, jwt.Standing(revoked=revoked)))
    # The account of the test's server, on which nobody needs a credential.
    content = {"account": "$G", "trust.conf": trust}
    put(running, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bus-trust"}, "data": content})
    for role, file in files.items():
        data = {"user.creds": base64.b64encode(file.encode()).decode()}
        put(running, {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"bus-{role}"}, "data": data})


@contextlib.contextmanager
def healthy(address, behind_s=0.0):
    """Answer at a pod's address as services do, by the clock of its node."""

    class Handler(BaseHTTPRequestHandler):
        def date_time_string(self, timestamp=None):  # noqa: ARG002 - as the library calls it
            return formatdate(time.time() - behind_s, usegmt=True)

        def do_GET(self):
            self.send_response(200 if self.path == "/livez" else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer((address, 8080), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield
        finally:
            server.shutdown()
            serving.join()


@contextlib.asynccontextmanager
async def furnished(folder, *, keda_version="2.20.1"):
    """Run a cluster in which asr is rolled out, nlu's update is stuck, and a skill was refused."""
    definitions = [DEPLOY / "crds" / "skills.yaml", DEPLOY.parent / "tests" / "support" / "crds" / "scaledobjects.yaml"]
    # Nobody works on what is put there: its status is the test's.
    async with cluster(folder, definitions=definitions, controllers=False) as running:
        running.server.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "keda"}})
        done = {"wanted": 2, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}
        put(running, deployment("asr", "registry.example/asr:0.1.0", done))
        late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
        stuck = {"wanted": 1, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1, "conditions": [late]}
        put(running, deployment("nlu", "registry.example/nlu:0.2.0", stuck))
        for number in (1, 2):
            put(running, pod(f"asr-{number}", "asr", "registry.example/asr:0.1.0", address=WITNESS))
        put(running, pod("nlu-old", "nlu", "registry.example/nlu:0.1.0"))
        waiting = {"reason": "ImagePullBackOff", "message": "not found"}
        put(running, pod("nlu-new", "nlu", "registry.example/nlu:0.2.0", ready=False, waiting=waiting))
        put(running, pod("nats-0", "nats", "nats:2.15", address=address_of(0)))
        put(running, keda(keda_version), "keda")
        scaled = {"scaleTargetRef": {"name": "asr"}, "triggers": [{"type": "cpu", "metadata": {"value": "60"}}]}
        put(
            running,
            {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "asr"}, "spec": scaled},
        )
        conditions = [
            {"type": "Available", "status": "True", "reason": "Serving", "message": "1 replica of 1.0.0 (toy:1)"},
            {"type": "Progressing", "status": "False", "reason": "Refused", "message": ""},
            {"type": "Degraded", "status": "True", "reason": "LocaleMissing", "message": "toy:2 is refused"},
        ]
        put(
            running,
            {
                "apiVersion": "earshot.dev/v1alpha1",
                "kind": "Skill",
                "metadata": {"name": "toy"},
                "spec": {"image": "toy:2", "locales": ["en-US"]},
                "status": {"version": "1.0.0", "ready": 1, "conditions": conditions},
            },
            SKILLS_NAMESPACE,
        )
        put(running, deployment("skill-toy", "toy:1", done), SKILLS_NAMESPACE)
        put(running, secret("bus-skill-toy", 20), SKILLS_NAMESPACE)
        put(running, secret("bus-skill-gone", -1), SKILLS_NAMESPACE)
        put(running, secret("bus-skill-old", -1))
        yield running


async def test_status_tells_what_runs_where(tmp_path):
    """Versions, rollouts with their reasons, nodes, skills and the lag of consumers, for people and for programs."""
    async with furnished(tmp_path) as running, monitored(tmp_path):
        kubeconfig = running.kubeconfig(tmp_path)
        for_people, for_programs = await asyncio.gather(
            earshot(kubeconfig, "status"), earshot(kubeconfig, "status", "--json")
        )
    assert for_people.returncode == 0, for_people.stderr
    lines = {line.split()[0]: line for line in for_people.stdout.splitlines() if line.strip()}
    assert "2/2" in lines["asr"]
    assert "done" in lines["asr"]
    assert "node-1" in lines["asr"]
    assert "0.2.0 (1 × 0.1.0)" in lines["nlu"]
    assert "stuck: nlu-new: ImagePullBackOff: not found" in lines["nlu"]
    assert "LocaleMissing" in lines["toy"]
    assert lines["TURNS/nlu"].split()[1:] == ["1", "0"]
    document = json.loads(for_programs.stdout)
    states = [(each["name"], each["state"]) for each in document["services"]]
    assert states == [("asr", "done"), ("nlu", "stuck"), ("skill-toy", "done")]
    assert {"stream": "TURNS", "durable": "nlu", "pending": 1, "in_progress": 0} in document["consumers"]


async def test_the_doctor_finds_what_is_wrong(tmp_path):
    """An old KEDA, a stuck rollout, a refused skill, credentials that are over, a consumer that differs, a wrong clock."""
    async with furnished(tmp_path, keda_version="2.16.0") as running, monitored(tmp_path) as server:
        called_back(running)
        # One that has stopped is asked for nothing.
        for number in (2, 3):
            made = pod(f"asr-{number}x", "asr", "registry.example/asr:0.1.0", address=f"127.77.4.{40 + number}")
            made["spec"]["nodeName"] = f"node-{number}"
            put(running, made)
        away = {"type": "Ready", "status": "Unknown", "message": "Kubelet stopped posting node status."}
        gone = {"metadata": {"name": "node-3"}, "status": {"conditions": [away]}}
        put(running, {"apiVersion": "v1", "kind": "Node", **gone}, "")
        client = await server.connect()
        await client.jetstream().delete_consumer("TURNS", "nlu")
        await client.close()
        kubeconfig = running.kubeconfig(tmp_path)
        with healthy(WITNESS), healthy("127.77.4.42", behind_s=30.0):
            found, asked = await asyncio.gather(
                earshot(kubeconfig, "doctor", "--json"), earshot(kubeconfig, "doctor", "--json", "--url", server.url)
            )
    assert found.returncode == 1
    document = json.loads(found.stdout)
    assert document["result"] == "failed"
    # Asked itself, with a credential where it wants one, the bus says the same.
    assert of_bus(document) == of_bus(json.loads(asked.stdout))
    failed = {(each["check"], each["message"]) for each in document["findings"] if each["result"] == "failed"}
    told = "\n".join(sorted(f"{check}: {message}" for check, message in failed))
    for expected in (
        "keda: KEDA is 2.16.0; 2.20 or newer is needed",
        "workloads: nlu is stuck: nlu-new: ImagePullBackOff: not found",
        "skills: skill toy: LocaleMissing: toy:2 is refused",
        "credentials: bus-skill-old has expired",
        "credentials: bus-skill-gone has expired",
        "credentials: bus-nlu holds a user that is revoked: earshot bus secrets bus-nlu makes another one",
        "bus: consumer TURNS/nlu: missing (earshot bus apply)",
        "clocks: node node-2's clock is ",
    ):
        assert expected in told
    assert len(failed) == 8, told
    (warned,) = (each["message"] for each in document["findings"] if each["check"] == "nodes")
    assert warned == "node node-3 is not ready: Kubelet stopped posting node status."
    assert any(
        each["message"].startswith("node node-1's clock is") and each["result"] == "ok" for each in document["findings"]
    )
    fine = {each["check"] for each in document["findings"] if each["result"] == "ok"}
    assert fine >= {"kubernetes", "definitions", "nats", "clocks", "credentials"}


def of_bus(document):
    """Return what the doctor says of streams and consumers."""
    return [each for each in document["findings"] if each["check"] == "bus"]


def reader(running, *resources):
    """Make a service account that may read these resources of the namespace and no others; return its user."""
    rbac = "rbac.authorization.k8s.io"
    rules = [
        {"apiGroups": ["", "apps", "earshot.dev", "keda.sh"], "resources": list(resources), "verbs": ["get", "list"]}
    ]
    put(running, {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "reader"}, "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": "earshot"}
    bound = {"roleRef": {"apiGroup": rbac, "kind": "Role", "name": "reader"}, "subjects": [subject]}
    put(running, {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": {"name": "reader"}, **bound})
    return "sa:earshot:reader"


async def test_a_bus_that_can_t_be_asked_is_told(tmp_path, monkeypatch):
    """Where nobody answers on the monitoring port; and where only the proxy may be used, what may stand between."""
    async with furnished(tmp_path) as running:
        user = reader(running, "pods", "pods/proxy", "configmaps", "deployments", "statefulsets", "skills")
        for kubeconfig, expected in (
            (running.kubeconfig(tmp_path), "nobody answers at port 8222 of nats-0"),
            (running.kubeconfig(tmp_path, user), "a network policy keeps the API server's proxy from port 8222"),
        ):
            _, found = await answered(monkeypatch, kubeconfig, "doctor")
            said = [each for each in found["findings"] if each["check"] == "nats"]
            assert [each["result"] for each in said] == ["warning", "failed"], "there is no ConfigMap bus either"
            assert expected in said[1]["message"]
            # Nobody may take that for a bus which is as it is declared.
            (compared,) = of_bus(found)
            assert (compared["result"], "NOT compared" in compared["message"]) == ("skipped", True)


async def test_who_sees_one_namespace_is_told_what_is_there(tmp_path, monkeypatch):
    """Of KEDA: what it says of our ScaledObjects, and that neither Skills' nor its own operator could be looked at."""
    async with furnished(tmp_path) as running:
        user = reader(running, "deployments", "statefulsets", "scaledobjects")
        asr = running.server.find("keda.sh/v1alpha1", "ScaledObject", "asr", "earshot")
        why = {"type": "Ready", "status": "False", "message": "no such trigger"}
        running.server.set_status(asr | {"status": {"conditions": [why]}})
        _, found = await answered(monkeypatch, running.kubeconfig(tmp_path, user), "doctor")
    said = [(each["result"], each["message"]) for each in found["findings"] if each["check"] == "keda"]
    assert [result for result, _ in said] == ["skipped", "failed", "skipped"], said
    (skills, ours, operator) = [message for _, message in said]
    assert SKILLS_NAMESPACE in skills
    assert ours == "ScaledObject asr is not ready: no such trigger"
    assert "deployments" in operator


async def test_who_may_not_forward_asks_through_the_proxy(tmp_path, monkeypatch):
    """Forwarded connections pass network policies; whoever may not have them is told the same by the other way."""
    async with furnished(tmp_path) as running, monitored(tmp_path):
        user = reader(running, "pods", "pods/proxy", "deployments", "statefulsets", "skills")
        _, document = await answered(monkeypatch, running.kubeconfig(tmp_path, user), "status")
        assert {"stream": "TURNS", "durable": "nlu", "pending": 1, "in_progress": 0} in document["consumers"]
        await answered(monkeypatch, running.kubeconfig(tmp_path), "status")
        asked = [(one.user, one.resource) for one in running.server.access.log if one.resource.startswith("pods/")]
    assert asked == [
        (user, "pods/portforward"),
        (user, "pods/proxy"),
        (user, "pods/proxy"),
        ("admin", "pods/portforward"),
    ]


def done(owner):
    """Return a Deployment or StatefulSet with the status that it has when it is rolled out."""
    wanted = owner["spec"].get("replicas", 1)
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), wanted)
    return copy.deepcopy(owner) | {"status": {"observedGeneration": 1, **counts}}


@pytest.mark.parametrize("overlay", ["dev", "prod"])
async def test_the_doctor_has_nothing_against_our_overlays(tmp_path, monkeypatch, overlay):
    """What is not asked for is not missed: dev has no KEDA and one nats-server, prod's bus is the official chart's."""
    rendered = render(f"overlays/{overlay}")
    crds = [DEPLOY / "crds" / "skills.yaml", DEPLOY.parent / "tests" / "support" / "crds" / "scaledobjects.yaml"]
    labels = {"app.kubernetes.io/name": "nats"}
    async with (
        cluster(tmp_path, definitions=crds * (overlay == "prod"), controllers=False) as running,
        monitored(tmp_path, nodes=3 if overlay == "prod" else 1),
    ):
        running.server.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "keda"}})
        for content in of_kind(rendered, "Deployment", "StatefulSet"):
            put(running, done(content))
        for content in of_kind(rendered, "ConfigMap", "HorizontalPodAutoscaler", "ScaledObject"):
            put(running, copy.deepcopy(content))
        theirs = of_kind(render("overlays/prod/skills"), "ConfigMap") if overlay == "prod" else []
        for content in theirs:
            put(running, copy.deepcopy(content), SKILLS_NAMESPACE)
        if overlay == "prod":
            put(running, keda("2.20.1"), "keda")
            chart = done(deployment("nats", "nats:2.15.1", {"wanted": 3}))
            put(running, chart | {"kind": "StatefulSet", "metadata": {"name": "nats", "labels": labels}})
        for number in range(3 if overlay == "prod" else 1):
            made = pod(f"nats-{number}", "nats", "nats:2.15.1", address=address_of(number))
            put(running, made | {"metadata": {"name": f"nats-{number}", "labels": labels}})
        kubeconfig = running.kubeconfig(tmp_path)
        code, found = await answered(monkeypatch, kubeconfig, "doctor")
        told = [each for each in found["findings"] if each["result"] != "ok"]
        assert (told, code) == ([], 0)
        (heard,) = [each["message"] for each in found["findings"] if each["check"] == "recognition"]
        assert "Mandarin by a makeshift" in heard
        assert [each["message"] for each in of_bus(found)] == ["the bus holds what is declared"]
        _, shown = await answered(monkeypatch, kubeconfig, "status")
        assert "nats" in {each["name"] for each in shown["services"]}
        running.server.remove(running.server.find("v1", "Pod", "nats-0", "earshot"))
        for content in theirs:
            running.server.delete("v1", "ConfigMap", content["metadata"]["name"], SKILLS_NAMESPACE)
        asr = running.server.find("apps/v1", "Deployment", "asr", "earshot")
        required = {"name": "EARSHOT_ASR_REQUIRED_LOCALES", "value": '["en-US", "zh-CN"]'}
        asr["spec"]["template"]["spec"]["containers"][0]["env"].append(required)
        running.server.rewrite(asr)
        _, less = await answered(monkeypatch, kubeconfig, "doctor")
    failed = [each["message"] for each in less["findings"] if each["result"] != "ok"]
    expected = "2 nats-servers run, and there are to be 3 copies" if overlay == "prod" else "no nats-server runs"
    assert any(message.startswith(expected) for message in failed), failed
    apart = "an operator runs, and in earshot-skills nothing is there for Skills"
    assert any(message.startswith(apart) for message in failed) == (overlay == "prod"), failed
    (heard,) = [each["message"] for each in less["findings"] if each["check"] == "recognition"]
    assert heard.startswith('asr has a model for each of ["en-US", "zh-CN"]')


async def test_who_may_not_look_is_told(tmp_path, monkeypatch):
    """No kubeconfig, no such context, nobody there, no user, no right: one sentence each, with a code."""
    async with cluster(tmp_path, controllers=False) as running:
        nobody, stranger = running.kubeconfig(tmp_path, "nobody"), running.kubeconfig(tmp_path, "sa:earshot:stranger")
        config = running.kubeconfig(tmp_path)
        away = tmp_path / "away"
        away.write_text(config.read_text().replace(running.url, f"http://127.0.0.1:{free_port()}"))
        cases = (
            (tmp_path / "none", (), "cluster_not_named"),
            (config, ("--context", "other"), "cluster_not_named"),
            (away, (), "cluster_unreachable"),
            (nobody, (), "cluster_unauthorized"),
            (stranger, (), "cluster_forbidden"),
        )
        for kubeconfig, arguments, code in cases:
            monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
            result = await asyncio.to_thread(CliRunner().invoke, app, ["cluster", "status", *arguments])
            told, message = sentence(result.exception)
            assert (told, "\n" in message) == (code, False), message
        as_a_shell = await earshot(stranger, "status", "--json")
        assert json.loads(as_a_shell.stdout)["error"]["code"] == "cluster_forbidden"
        assert (as_a_shell.returncode, as_a_shell.stderr.count("\n")) == (1, 1)
        skipped = await asyncio.to_thread(CliRunner().invoke, app, ["cluster", "doctor", "--json"])
        assert skipped.exit_code == 3, "what was not looked at is not fine"
        results = {each["check"]: each["result"] for each in json.loads(skipped.stdout)["findings"]}
        assert (results["credentials"], results["kubernetes"]) == ("skipped", "ok")
        assert (results["nats"], results["bus"]) == ("skipped", "skipped")


async def test_other_commands_do_not_pay_for_it(tmp_path):
    """The kubernetes client takes most of a second to import: no other command does."""
    code = (
        "import sys; from typer.testing import CliRunner; from earshot_cli.app import app; "
        "CliRunner().invoke(app, ['turns', '--json']); CliRunner().invoke(app, ['cluster', '--help']); "
        "sys.exit('kubernetes' in sys.modules or 'earshot_cli.cluster' in sys.modules)"
    )
    found = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert found.returncode == 0
