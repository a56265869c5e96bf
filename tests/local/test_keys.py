"""The keys of a state folder: kept, completed, and never overwritten by what can't read them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from earshot_local.credentials import Credentials, load_keys
from earshot_local.errors import StandingMissingError, UnreadableKeysError
from earshot_local.home import Home
from earshot_topology.jwt import read_claims


def test_keys_of_an_older_version_are_kept_and_completed(tmp_path: Path) -> None:
    """What owns the streams and makes devices stays; what that version did not have is made, once."""
    home = Home(tmp_path)
    home.make()
    older = {name: getattr(load_keys(home), name).decode() for name in ("operator", "system", "account", "devices")}
    home.keys.write_text(json.dumps(older))
    keys = load_keys(home)
    assert {name: getattr(keys, name).decode() for name in older} == older
    assert load_keys(home) == keys


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"operator": 1}', '{"operator": "S", "of_tomorrow": "S"}'])
def test_what_holds_no_keys_is_refused_and_left(tmp_path: Path, text: str) -> None:
    """Whoever lost a part of it must be able to look."""
    home = Home(tmp_path)
    home.make()
    home.keys.write_text(text)
    with pytest.raises(UnreadableKeysError, match="left as it is"):
        load_keys(home)
    assert home.keys.read_text() == text


def test_who_is_made_in_place_of_another_lasts_as_long(tmp_path: Path) -> None:
    """A user that was to end does not become one that never does by being called back."""
    home = Home(tmp_path)
    home.make()
    credentials = Credentials(home)
    path = credentials.issue("asr", expires=int(time.time()) + 1_000)
    before = read_claims(path.read_text())
    credentials.revoke([credentials.whose(path.read_text())])
    after = read_claims(path.read_text())
    assert after["sub"] != before["sub"]
    assert 995 <= after["exp"] - after["iat"] <= 1_005
    assert (home.root / "issued.jsonl").read_text().count("\n") == 2
    with (home.root / "issued.jsonl").open("a") as record:
        record.write('{"kind": "serv')
    assert len(list(credentials.issued())) == 2, "a line that was cut off is nobody's"


def test_who_was_called_back_is_not_let_in_by_a_file_that_is_gone(tmp_path: Path) -> None:
    """A state folder that was restored without it tells nobody anything until somebody has decided."""
    home = Home(tmp_path)
    home.make()
    credentials = Credentials(home)
    credentials.revoke([credentials.whose(credentials.issue("asr").read_text())])
    home.standing.unlink()
    with pytest.raises(StandingMissingError, match=r"standing.json is gone"):
        Credentials(home)
    home.standing.write_text('{"revoked": {}, "retiring": {}}')
    assert [revoked for _, revoked in Credentials(home).issued()] == [False, False]
