"""What a check found, and what is true of numbers and names: pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

# Below it there is no sleep as a preStop hook, which every pod of ours has.
KUBERNETES = (1, 30)
# Triggers ask a nats-server with credentials and consumers as ours are.
KEDA = (2, 20)
# Scheduled messages, on which timers and deadlines stand.
NATS = (2, 12)
# A user connects with its permissions in one line.
CONTROL_LINE = 32 * 1024
CLOCKS_S = 1.0
# Of a credential's life: what is left of one that nobody has made anew in time; of a long one a week.
_LEFT = 0.25
_SOON_S = 7 * 86_400
_JWT = re.compile(r"-----BEGIN NATS USER JWT-----\s+(\S+)\s+------END NATS USER JWT------")
# An account's, in nats-server's configuration.
_STATEMENT = re.compile(r"^\s*A[A-Z2-7]{55}: (\S+)$", re.MULTILINE)

# Of each account, users and the Unix time until which they may have been made; "*" is everybody.
Revoked = Mapping[str, Mapping[str, int]]


class Result(StrEnum):
    """What a check comes to."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        check: What was looked at: "keda".
        result: What it comes to.
        message: One sentence: what is, and what to do where it is not right.
    """

    check: str
    result: Result
    message: str

    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self)


def version_tuple(text: str) -> tuple[int, ...]:
    """Return the numbers at the beginning of a version: (2, 20, 1); empty if there are none."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found.group(1).split(".")) if found else ()


def at_least(check: str, what: str, version: str, wanted: tuple[int, ...]) -> Finding:
    """Compare a version with the oldest that will do."""
    needed = ".".join(map(str, wanted))
    numbers = version_tuple(version)
    if not numbers:
        return Finding(
            check=check, result=Result.WARNING, message=f"{what} does not tell its version; {needed} is needed"
        )
    if numbers < wanted:
        return Finding(check=check, result=Result.FAILED, message=f"{what} is {version}; {needed} or newer is needed")
    return Finding(check=check, result=Result.OK, message=f"{what} {version}")


def clock(whose: str, ahead_s: float, unsure_s: float) -> Finding:
    """Judge a clock by how far it is ahead of ours."""
    said = (
        f"{whose} is {abs(ahead_s):.2f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine's (± {unsure_s:.2f} s)"
    )
    wrong = abs(ahead_s) - unsure_s > CLOCKS_S
    hint = "; timers and credentials go by it: synchronise it" if wrong else ""
    return Finding(check="clocks", result=Result.FAILED if wrong else Result.OK, message=said + hint)


def revocations(trust: Mapping[str, Any] | None) -> Revoked:
    """Return who is let in no more, as the ConfigMap "bus-trust" has nats-server know it."""
    text = str(((trust or {}).get("data") or {}).get("trust.conf", ""))
    statements = filter(None, map(_claims, _STATEMENT.findall(text)))
    return {str(each.get("sub")): each.get("nats", {}).get("revocations", {}) for each in statements}


def credential(secret: Mapping[str, Any], now: float, revoked: Revoked) -> Finding | None:
    """Judge the bus credentials in a Secret; None if it holds none.

    Args:
        secret: The Secret.
        now: The present moment, in Unix time.
        revoked: Who is let in no more.
    """
    name = secret["metadata"]["name"]
    for value in (secret.get("data") or {}).values():
        found = _JWT.search(base64.b64decode(value).decode("utf-8", "replace"))
        if found is None:
            continue
        claims = _claims(found.group(1))
        if claims is None:
            return Finding(check="credentials", result=Result.FAILED, message=f"{name} can't be read")
        return _judged(name, claims, now, revoked)
    return None


def _judged(name: str, claims: Mapping[str, Any], now: float, revoked: Revoked) -> Finding:
    made, expires = float(claims.get("iat", 0)), float(claims.get("exp", 0))
    until = revoked.get(claims.get("nats", {}).get("issuer_account") or claims.get("iss", ""), {})
    if made <= max(until.get(str(claims.get("sub")), -1), until.get("*", -1)):
        message = f"{name} holds a user that is revoked: earshot bus secrets {name} makes another one"
        return Finding(check="credentials", result=Result.FAILED, message=message)
    if not expires:
        return Finding(check="credentials", result=Result.OK, message=f"{name} does not expire")
    day = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%d %H:%M UTC")
    if expires <= now:
        return Finding(check="credentials", result=Result.FAILED, message=f"{name} has expired: {day}")
    result = Result.WARNING if expires - now < min(_SOON_S, (expires - made) * _LEFT) else Result.OK
    return Finding(check="credentials", result=result, message=f"{name} expires {day}")


def _claims(token: str) -> dict[str, Any] | None:
    """Return what a token says; its signature is not looked at."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, IndexError):
        return None
    return claims if isinstance(claims, dict) else None


def worst(findings: Iterable[Finding]) -> Result:
    """Return what everything comes to. Where something was not looked at, nobody knows that all is well."""
    results = {finding.result for finding in findings}
    return next((each for each in (Result.FAILED, Result.SKIPPED, Result.WARNING) if each in results), Result.OK)
