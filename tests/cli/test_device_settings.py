"""The device that a command is, by the stack that runs."""

import pytest

from earshot_cli.spoken import Speaker, device_settings
from earshot_cli.stackfinder import Target
from earshot_local.credentials import Credentials
from earshot_local.home import Running

SPEAKER = Speaker(household="home", device="kitchen", locale="en-US")


@pytest.mark.parametrize(("nodes", "answer", "speech"), [(1, 10.0, 6.0), (3, 14.0, 12.0)])
def test_a_device_on_a_cluster_is_as_patient_as_its_services(home, nodes, answer, speech):
    """It waits out an election there, and no longer than ever on a single server."""
    home.make()
    Credentials(home).issue_services()
    running = Running(pid=1, nats_url="nats://here", traces_url="", otlp_endpoint="", grpc={}, http={}, nodes=nodes)
    settings = device_settings(Target(home=home, running=running), SPEAKER, None, {})
    assert (settings.answer_timeout_s, settings.speech_timeout_s) == (answer, speech)
