"""Production's bus, as the official chart renders it with our values: every object is valid, restricted, and what others count on.

The chart is not ours and not in this repository: EARSHOT_NATS_CHART is the folder of its source (`helm pull nats/nats --untar`).
helm renders it, or where there is none, the package helm-python-sdk, which holds helm's own code.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.test_pod_security import violations
from earshot_local.nats_server import program
from earshot_topology import flows
from support.manifests import DEPLOY, NAME, PART_OF, Object, named, of_kind, pod_templates, render, selects, validate
from support.network_policies import Party, allowed

VALUES = DEPLOY / "charts" / "nats.yaml"
NAMESPACE = "earshot"
CHART = os.environ.get("EARSHOT_NATS_CHART", "")
# Theirs takes whatever is given: what is below is Kubernetes' or nats-server's, and is held to their rules.
FREE = {"merge", "patch", "env", "topologySpreadConstraints"}

pytestmark = pytest.mark.skipif(not CHART, reason="needs the official chart: EARSHOT_NATS_CHART=its folder")


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    """What production gives to the chart."""
    read: dict[str, Any] = yaml.safe_load(VALUES.read_text())
    return read


@pytest.fixture(scope="module")
def rendered(values: dict[str, Any]) -> list[Object]:
    """What helm makes of it."""
    if helm := shutil.which("helm"):
        command = (helm, "template", "nats", CHART, "--namespace", NAMESPACE, "--values", str(VALUES), "--skip-tests")
        texts = [subprocess.run(command, check=True, capture_output=True, text=True).stdout]
    else:
        try:
            sdk = importlib.import_module("helm_python")
        except ModuleNotFoundError:
            pytest.fail("neither helm nor the package helm-python-sdk is here: pip install helm-python-sdk")
        with sdk.Chart.load(CHART) as chart:
            files = chart.render(values, name="nats", namespace=NAMESPACE)
        texts = [text for name, text in files.items() if "/templates/tests/" not in name]
    return [content for text in texts for content in yaml.safe_load_all(text) if content]


def unknown(given: dict[str, Any], known: dict[str, Any], where: str = "") -> Iterator[str]:
    """Yield what is given and has no default, nor a place that is free: helm passes over it in silence."""
    for key, value in given.items():
        if key not in known:
            yield f"{where}{key}"
        elif isinstance(value, dict) and key not in FREE:
            yield from unknown(value, known[key] or {}, f"{where}{key}.")


def test_every_value_is_one_of_the_chart(values: dict[str, Any]) -> None:
    """No key is one that the chart does not know; one that is misspelt is found."""
    known = yaml.safe_load((Path(CHART) / "values.yaml").read_text())
    assert list(unknown(values, known)) == []
    assert list(unknown({"config": {"jetstrem": {}}}, known)) == ["config.jetstrem"]
    # What docs/deploy.md says of several regions.
    tls = {"enabled": True, "secretName": "nats-gateway-tls", "merge": {"verify": True}}
    joined = {"config": {"gateway": {"enabled": True, "tls": tls, "merge": {"gateways": []}}}}
    opened = {"service": {"ports": {"gateway": {"enabled": True}}}, "fullnameOverride": "nats-eu"}
    assert list(unknown(joined | opened, known)) == []


def test_objects_are_valid(rendered: list[Object]) -> None:
    """Kubernetes takes all of them, with no field that it does not know."""
    for content in rendered:
        validate(content)
    assert {each["kind"] for each in rendered} == {"ConfigMap", "PodDisruptionBudget", "Service", "StatefulSet"}


def test_pods_are_restricted(rendered: list[Object]) -> None:
    """The namespace lets the bus's pods in, and nothing in them writes to its root file system or is given a token."""
    ((workload, template),) = pod_templates(rendered)
    assert workload["spec"]["replicas"] == 3
    assert list(violations(template)) == []
    assert template["spec"]["automountServiceAccountToken"] is False
    assert all(each["securityContext"]["readOnlyRootFilesystem"] for each in template["spec"]["containers"])


def test_the_overlay_s_policies_are_of_these_pods(rendered: list[Object]) -> None:
    """The policy of the bus holds for the chart's pods: services and its own nodes come in where it listens, others do not."""
    ((_, template),) = pod_templates(rendered)
    overlay = render("overlays/prod")
    policies = of_kind(overlay, "NetworkPolicy")
    labels = template["metadata"]["labels"]
    assert selects(named(overlay, "NetworkPolicy", "nats")["spec"]["podSelector"], labels)
    bus = Party(labels=labels)
    asr = Party(labels={NAME: "asr", PART_OF: "earshot", "app.kubernetes.io/component": "service"})
    listens = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
    assert listens == {"nats": flows.BUS_PORT, "cluster": 6222, "monitor": 8222}
    assert allowed(policies, asr, bus, listens["nats"])
    assert allowed(policies, bus, bus, listens["cluster"])
    assert not allowed(policies, asr, bus, listens["cluster"])
    assert not allowed(policies, asr, bus, listens["monitor"])


def test_names_are_those_that_clients_are_told(rendered: list[Object]) -> None:
    """The headless Service and the pods have the names that are in the overlay's addresses."""
    told = named(render("overlays/prod"), "ConfigMap", "bus")["data"]["url"].split(",")
    workload = of_kind(rendered, "StatefulSet")[0]
    service = named(rendered, "Service", workload["spec"]["serviceName"])
    assert service["spec"]["clusterIP"] == "None"
    pods = [f"{workload['metadata']['name']}-{number}" for number in range(workload["spec"]["replicas"])]
    assert told == [f"tls://{pod}.{service['metadata']['name']}:{flows.BUS_PORT}" for pod in pods]
    env = workload["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {each["name"]: each.get("value") for each in env}["SERVER_NAME"] == "$(POD_NAME)"


def test_a_server_takes_the_configuration(rendered: list[Object], tmp_path: Path) -> None:
    """nats-server reads nats.conf as it is mounted, the included file beside it, and finds nothing that it does not know."""
    (tmp_path / "nats-config").mkdir()
    (tmp_path / "nats-trust").mkdir()
    (tmp_path / "nats-trust" / "trust.conf").write_text("system_account: SYS\naccounts { SYS {} }\n")
    text: str = of_kind(rendered, "ConfigMap")[0]["data"]["nats.conf"]
    mounted = {
        mount["mountPath"]
        for container in of_kind(rendered, "StatefulSet")[0]["spec"]["template"]["spec"]["containers"]
        for mount in container["volumeMounts"]
    }
    used = set(re.findall(r'"(/[\w/.-]+)"', text))
    assert used
    assert [path for path in used if not any(path == place or path.startswith(f"{place}/") for place in mounted)] == []
    _certificate(tmp_path)
    for place, here in {
        "/etc/nats-ca-cert/ca.crt": "tls.crt",
        "/etc/nats-certs/cluster/": "",
        "/etc/nats-certs/nats/": "",
        "/data": "data",
        "/var/run/nats/": "",
    }.items():
        assert place in text
        text = text.replace(place, f"{tmp_path}/{here}")
    config = tmp_path / "nats-config" / "nats.conf"
    config.write_text(text)
    told = _checked(config)
    assert told.returncode == 0, told.stderr
    config.write_text(text.replace('"no_advertise"', '"no_advertize"'))
    assert "no_advertize" in _checked(config).stderr


def _checked(config: Path) -> subprocess.CompletedProcess[str]:
    command = (str(program()), "-t", "-c", str(config))
    return subprocess.run(command, env={"SERVER_NAME": "nats-0"}, capture_output=True, text=True, check=False)


def _certificate(folder: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=nats -keyout tls.key -out tls.crt"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)


def test_the_version_is_the_one_that_was_checked(values: dict[str, Any]) -> None:
    """The comment in the values names the chart's line, and the server is the one that everything is tested with."""
    chart = yaml.safe_load((Path(CHART) / "Chart.yaml").read_text())
    assert re.search(rf"nats {re.escape(str(chart['version']))}\b", VALUES.read_text()), json.dumps(chart)
    told = subprocess.run((str(program()), "--version"), check=True, capture_output=True, text=True).stdout
    assert values["container"]["image"]["tag"].removesuffix("-alpine") in told
