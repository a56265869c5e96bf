"""The keys of a state folder: kept, completed, and never overwritten by what can't read them."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earshot_local.credentials import Credentials
from earshot_local.errors import StandingMissingError, UnreadableKeysError
from earshot_local.home import Home
from earshot_local.keyfile import load_keys
from earshot_topology import jwt
from earshot_topology.jwt import read_claims
from support.older_keys import older_keys


@pytest.mark.parametrize("missing", [(), ("device_account", "skill_account", "skills")])
def test_keys_of_an_older_version_are_brought_along(tmp_path: Path, missing: tuple[str, ...]) -> None:
    """What streams belong to and what makes devices stays; the seeds of accounts are set aside; what was not there is made, once."""
    home = Home(tmp_path)
    home.make()
    older = {name: seed for name, seed in older_keys().items() if name not in missing}
    home.keys.write_text(json.dumps(older))
    keys = load_keys(home)
    assert keys.services == jwt.public(older["account"].encode())
    assert keys.accounts["system"] == jwt.public(older["system"].encode())
    assert (keys.operator.decode(), keys.signing["device"].decode()) == (older["operator"], older["devices"])
    assert load_keys(home) == keys
    assert older["account"] not in home.keys.read_text()
    assert json.loads(home.older_keys.read_text()) == older
    assert {path.stat().st_mode & 0o777 for path in (home.keys, home.older_keys)} == {0o600}
    assert "rotate operator" in Credentials(home).older

    credentials = Credentials(home)
    credentials.rotate_operator()
    assert credentials.older == ""
    assert load_keys(home).accounts == keys.accounts
    assert load_keys(home).operator_signing


def test_nobody_has_the_seed_of_an_account(tmp_path: Path) -> None:
    """It is not needed for anything, and could not be replaced."""
    home = Home(tmp_path)
    home.make()
    keys = load_keys(home)
    seeds = [keys.operator, keys.operator_signing or b"", *keys.signing.values()]
    assert not {jwt.public(seed) for seed in seeds} & set(keys.accounts.values())
    assert home.keys.read_text().count('"S') == len(seeds)
    assert Credentials(home).older == ""


def _changed(by: Callable[[dict[str, Any]], object]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.make()
        load_keys(home)
        content = json.loads(home.keys.read_text())
    by(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"operator": 1}',
        '{"operator": "S", "of_tomorrow": "S"}',
        json.dumps({"operator": "S", "system": "S", "account": "S"}),
        json.dumps({name: seed for name, seed in older_keys().items() if name != "account"}),
        _changed(lambda content: content.pop("operator_signing")),
        _changed(lambda content: content["signing"].pop("service")),
        _changed(lambda content: content["signing"].update(service="SA")),
        _changed(lambda content: content["accounts"].update(of_tomorrow="A")),
        _changed(lambda content: content.update(of_tomorrow="S")),
    ],
)
def test_what_holds_no_keys_is_refused_and_left(tmp_path: Path, text: str) -> None:
    """Whoever lost a part of it must be able to look."""
    home = Home(tmp_path)
    home.make()
    home.keys.write_text(text)
    with pytest.raises(UnreadableKeysError, match="left as it is"):
        load_keys(home)
    assert home.keys.read_text() == text
    assert not home.older_keys.exists()


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
