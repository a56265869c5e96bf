"""By which Secrets the images of skills are pulled: the operator's setting, on each ServiceAccount that it makes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from earshot_operator.settings import OperatorSettings
from earshot_topology.policies import SKILLS_NAMESPACE
from support.kube.passing import passing
from support.nats import nats_server


async def test_a_change_of_the_setting_reaches_accounts_that_are_there(tmp_path):
    """Named, exchanged and named no more; pods stay as they are. Without the setting somebody else's are left alone."""
    async with nats_server(tmp_path / "bus") as bus, passing(tmp_path, bus) as one:
        server = one.cluster.server

        async def pulled_by(setting):
            one.tools = replace(one.tools, platform=OperatorSettings(pull_secrets=setting).platform())
            one.restart()
            await one.once()
            account = server.find("v1", "ServiceAccount", "skill-toy", SKILLS_NAMESPACE)
            return [each["name"] for each in account.get("imagePullSecrets", [])]

        assert await pulled_by("") == []
        generation = server.find("apps/v1", "Deployment", "skill-toy", SKILLS_NAMESPACE)["metadata"]["generation"]
        assert await pulled_by("registry,mirror") == ["registry", "mirror"]
        assert await pulled_by("mirror") == ["mirror"]
        server.rewrite(server.find("v1", "ServiceAccount", "skill-toy", SKILLS_NAMESPACE) | {"imagePullSecrets": []})
        assert await pulled_by("mirror") == ["mirror"], "as it was taken away"
        assert await pulled_by("") == []
        theirs = [{"name": "theirs"}]
        server.rewrite(
            server.find("v1", "ServiceAccount", "skill-toy", SKILLS_NAMESPACE) | {"imagePullSecrets": theirs}
        )
        assert await pulled_by("") == ["theirs"]
        assert (
            server.find("apps/v1", "Deployment", "skill-toy", SKILLS_NAMESPACE)["metadata"]["generation"] == generation
        )


@pytest.mark.parametrize("setting", ["Registry", "a b", "a,", ",a", "a,,b", "-a"])
def test_what_is_no_name_of_a_secret_is_refused(setting, monkeypatch):
    """At the start, with the name of the setting."""
    monkeypatch.setenv("EARSHOT_OPERATOR_PULL_SECRETS", setting)
    with pytest.raises(ValidationError, match="pull_secrets"):
        OperatorSettings()
