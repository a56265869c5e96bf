"""A server without controllers that matter, and the real client of it."""

from __future__ import annotations

import asyncio

import pytest
from kubernetes import config
from kubernetes.client import ApiClient, Configuration

from support.kube.cluster import cluster
from support.kube.operating import DEPLOY


@pytest.fixture
async def double(tmp_path):
    """The server, with our definitions."""
    async with cluster(tmp_path, definitions=[DEPLOY / "crds" / "skills.yaml"]) as running:
        yield running


@pytest.fixture
def client(double, tmp_path):
    """The real client, as an administrator."""

    def connect(user="admin"):
        configuration = Configuration()
        config.load_kube_config(str(double.kubeconfig(tmp_path, user)), client_configuration=configuration)
        return ApiClient(configuration)

    return connect


@pytest.fixture
def call():
    """Call something of the client, which blocks, beside the server's loop."""
    return asyncio.to_thread
