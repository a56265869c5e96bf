"""The operator at work in a test: a real bus, the API server of our own, the real process with its own account."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from earshot_local import Stack
from earshot_local.credentials import load_keys
from support.kube.cluster import NAMESPACE, Cluster, cluster
from support.kube.images import Forked, settle
from support.kube.kubelet import Start
from support.kube.store import Object

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
ACCOUNT = f"sa:{NAMESPACE}:operator"
SKILL = ("earshot.dev/v1alpha1", "Skill")
PATIENCE_S = 60.0


@dataclass(slots=True)
class Operating:
    """What a test has in its hands.

    Attributes:
        cluster: The API server.
        stack: The bus.
        folder: The test's own.
        operator: The operator's process, while one runs.
    """

    cluster: Cluster
    stack: Stack
    folder: Path
    settings: Mapping[str, str]
    operator: Forked | None = field(default=None)

    def start(self, **settings: str) -> Forked:
        """Start an operator."""
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(self.cluster.kubeconfig(self.folder, ACCOUNT)),
            "EARSHOT_NATS_URL": self.stack.nats_url,
            "EARSHOT_NATS_CREDENTIALS": str(self.stack.creds("operator")),
            "EARSHOT_OPERATOR_SIGNING_FOLDER": str(self.folder / "signing"),
            "EARSHOT_OPERATOR_POLL_S": "0.2",
            "EARSHOT_OPERATOR_PROGRESS_DEADLINE_S": "2",
            "EARSHOT_DRAIN_TIMEOUT_S": "2",
            **self.settings,
            **settings,
        }
        self.operator = Forked(_run_operator, environment, str(self.folder / "operator.log"))
        return self.operator

    def kill(self) -> None:
        """SIGKILL the operator."""
        if self.operator is not None:
            self.operator.kill()
            self.operator = None

    @property
    def log(self) -> str:
        """What operators have said."""
        path = self.folder / "operator.log"
        return path.read_text() if path.exists() else ""

    # Skills.

    def write(self, name: str = "toy", **spec: Any) -> None:
        """Create a Skill, or give it another spec."""
        content = {"locales": ["en-US"], "scale": {"min": 1}, **spec}
        present = self.skill(name)
        if present is None:
            self.cluster.server.create(
                {"apiVersion": SKILL[0], "kind": SKILL[1], "metadata": {"name": name}, "spec": content}, NAMESPACE
            )
            return
        present["spec"] = content
        present["metadata"]["generation"] += 1
        self.cluster.server.rewrite(present)

    def delete(self, name: str = "toy") -> None:
        """Delete a Skill, as kubectl does."""
        self.cluster.server.delete(*SKILL, name, NAMESPACE)

    def skill(self, name: str = "toy") -> Object | None:
        """Return a Skill as it is."""
        return self.cluster.server.find(*SKILL, name, NAMESPACE)

    def status(self, name: str = "toy") -> Object:
        """Return a Skill's status; empty while there is none."""
        return (self.skill(name) or {}).get("status", {})

    def condition(self, type_: str, name: str = "toy") -> tuple[str, str]:
        """Return status and reason of a condition."""
        for each in self.status(name).get("conditions", []):
            if each["type"] == type_:
                return each["status"], each["reason"]
        return "", ""

    def degraded_by(self, image: str, reason: str, name: str = "toy") -> bool:
        """Tell whether the status speaks of an image, and says for this reason that it does not work."""
        spec, generation = (self.skill(name) or {})["spec"], (self.skill(name) or {})["metadata"]["generation"]
        seen = self.status(name).get("observedGeneration") == generation and spec["image"] == image
        return seen and self.condition("Degraded", name) == ("True", reason)

    def find(self, api_version: str, kind: str, name: str) -> Object | None:
        """Return an object of the namespace."""
        return self.cluster.server.find(api_version, kind, name, NAMESPACE)

    def pods(self) -> list[Object]:
        """Return all pods."""
        return self.cluster.server.listed("v1", "Pod", NAMESPACE)

    async def until(self, holds: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Wait for something to hold; what the operator said is shown if it never does."""
        try:
            async with asyncio.timeout(patience_s):
                while not holds():
                    changed = self.cluster.server.store.changed
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.1):
                            await changed.wait()
        except TimeoutError:
            raise AssertionError(f"never: {self.status()}\n{self.log[-4000:]}") from None

    async def serving(self, version: str, name: str = "toy", patience_s: float = PATIENCE_S) -> None:
        """Wait until a version serves and there is nothing left to do."""
        wanted = (("False", "UpToDate"), version)
        await self.until(
            lambda: (self.condition("Progressing", name), self.status(name).get("version")) == wanted, patience_s
        )


@contextlib.asynccontextmanager
async def bus(folder: Path) -> AsyncIterator[Stack]:
    """Run a nats-server in operator mode with everything declared on it."""
    async with Stack(home=folder, services=(), tracestore=False) as stack:
        await stack.ready()
        yield stack


@contextlib.asynccontextmanager
async def operating(
    stack: Stack, folder: Path, images: Mapping[str, Start], **settings: str
) -> AsyncIterator[Operating]:
    """Run a cluster with our definitions, the operator's rights and no operator yet.

    Args:
        stack: The bus.
        folder: The test's own.
        images: What pods run.
        settings: More variables of the operator.
    """
    signing = folder / "signing"
    signing.mkdir()
    keys = load_keys(stack.home)
    (signing / "seed").write_bytes(keys.skill_signing.seed)
    (signing / "account").write_text(keys.skill_signing.account)
    definitions = [DEPLOY / "crds" / "skills.yaml", Path(__file__).parent / "crds" / "keda.yaml"]
    async with cluster(folder / "pods", images, definitions=definitions) as running:
        for name in ("serviceaccount", "role", "rolebinding"):
            content = yaml.safe_load((DEPLOY / "components" / "operator" / f"{name}.yaml").read_text())
            running.server.create(content, NAMESPACE)
        running.server.create(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "bus"},
                "data": {"url": stack.nats_url},
            },
            NAMESPACE,
        )
        at_work = Operating(running, stack, folder, settings)
        try:
            yield at_work
        finally:
            at_work.kill()


def _run_operator(environment: Mapping[str, str], log: str) -> None:
    settle(environment, log)
    from earshot_chassis.service import Service, run  # noqa: PLC0415 - what is tested is imported where it runs
    from earshot_chassis.settings import ServiceSettings  # noqa: PLC0415 - likewise
    from earshot_operator.composition import composition  # noqa: PLC0415 - likewise
    from earshot_operator.settings import OperatorSettings  # noqa: PLC0415 - likewise

    run(Service("operator", version("earshot-operator"), ServiceSettings()), composition(OperatorSettings()))
