"""A server and the real client of it: one of our own, without controllers that matter, or the one that KUBECONFIG names."""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path

import pytest
from kubernetes import config
from kubernetes.client import ApiClient, Configuration, CoreV1Api
from kubernetes.client.exceptions import ApiException

from earshot_topology.policies import NAMESPACE
from support.kube import real
from support.kube.cluster import cluster
from support.kube.operating import DEPLOY

# What a real server's garbage collector takes at most.
PATIENCE_S = 60.0


@pytest.fixture
async def double(tmp_path):
    """The server of our own, with our definitions; who needs it does without a real one."""
    if real.wanted():
        pytest.skip("an API server of our own is needed")
    async with cluster(tmp_path, definitions=[DEPLOY / "crds" / "skills.yaml"]) as running:
        # kubectl shows no token where there is no TLS.
        running.server.nobody = "admin"
        yield running


@pytest.fixture
def kubeconfig(request, tmp_path):
    """How the server is reached, as an administrator."""
    return Path(real.wanted()) if real.wanted() else request.getfixturevalue("double").kubeconfig(tmp_path)


@pytest.fixture
def client(kubeconfig):
    """The real client, as an administrator, or for whom he speaks."""

    def connect(user=""):
        configuration = Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        made = ApiClient(configuration)
        if user:
            made.set_default_header("Impersonate-User", user)
        return made

    return connect


@pytest.fixture
def where(client):
    """The namespace of one test, in which no operator works. On a real server it is its own, and goes with all that is in it."""
    if not real.wanted():
        yield NAMESPACE
        return
    api = CoreV1Api(client())
    name = f"earshot-e2e-{uuid.uuid4().hex[:8]}"
    api.create_namespace({"metadata": {"name": name}})
    yield name
    api.delete_namespace(name)


@pytest.fixture
def skills(where):
    """Where Skills are."""
    return ("earshot.dev", "v1alpha1", where, "skills")


@pytest.fixture
def call():
    """Call something of the client, which blocks, beside the server's loop."""
    return asyncio.to_thread


@pytest.fixture
def gone():
    """Wait until something can't be read: at once of our own server, a while later of a real one."""

    async def wait(read, *arguments):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                await asyncio.to_thread(read, *arguments)
            except ApiException as error:
                if error.status != 404:
                    raise
                return
            await asyncio.sleep(0.2)
        raise AssertionError(f"still there: {arguments}")

    return wait
