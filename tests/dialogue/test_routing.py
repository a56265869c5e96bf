"""Which version of a skill serves which session."""

from __future__ import annotations

from collections import Counter

from earshot_dialogue.core.catalogue import IntentSpec
from earshot_dialogue.core.routing import route
from earshot_dialogue.core.values import SessionId
from support.policies import catalogue, meaning, version

FORECAST = meaning("weather.get_forecast", city="Paris")


def served(sessions: int, *weights: int) -> Counter[str]:
    """Return how many sessions each version serves."""
    versions = catalogue(*(version(number=str(n), weight=weight) for n, weight in enumerate(weights)))
    routes = [route(versions, FORECAST, SessionId(f"session-{n}")) for n in range(sessions)]
    return Counter(found.skill.version for found in routes if found)


def test_versions_share_sessions_by_weight() -> None:
    """Nine to one is nine to one, within chance."""
    shares = served(4000, 9, 1)
    assert shares.total() == 4000
    assert 320 < shares["1"] < 480


def test_a_session_stays_with_its_version() -> None:
    """The same session gets the same version, from whichever replica asks."""
    versions = catalogue(version(number="1"), version(number="2"))
    found = [route(versions, FORECAST, SessionId("s1")) for _ in range(10)]
    assert len({each.skill.version for each in found if each}) == 1


def test_only_versions_that_have_the_intent_are_asked() -> None:
    """A version that came with a new intent serves it whatever its weight."""
    old, new = version(number="1", weight=100), version(number="2", intents=(IntentSpec(name="get_tides"),))
    found = route(catalogue(old, new), meaning("weather.get_tides"), SessionId("s1"))
    assert found is not None
    assert found.skill.version == "2"
    assert route(catalogue(old), meaning("weather.get_tides"), SessionId("s1")) is None
    assert route(catalogue(old), meaning("weather"), SessionId("s1")) is None


def test_a_dialogue_goes_on_with_the_version_it_began_with() -> None:
    """While that runs."""
    both = catalogue(version(number="1", weight=0), version(number="2", weight=100))
    found = route(both, FORECAST, SessionId("s1"), preferred_version="1")
    assert found is not None
    assert found.skill.version == "1"
    gone = route(catalogue(version(number="2")), FORECAST, SessionId("s1"), preferred_version="1")
    assert gone is not None
    assert gone.skill.version == "2"
