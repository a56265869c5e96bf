"""A turn as everything that it put on the bus, without what differs from run to run, kept in a committed file.

Subjects lose their ids and keep their order, each on its own: subjects overtake one another. Ids become placeholders,
numbered where a turn has more than one of a kind, so that a mix-up shows. Times, lengths, confidences and epochs go; a
run of frames is one entry; acknowledgements of frames go. Interim transcripts are one entry without words and place, for
they come whenever the engine has something to say. What the clock says is replaced by its prompt's key.
EARSHOT_UPDATE_SNAPSHOTS=1 rewrites the files.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from nats.aio.msg import Msg

from earshot_topology.catalog import CHANNELS, Channel
from earshot_topology.subjects import DeviceAddress

_FRAMES = {"audioFrame", "speechFrame"}
# Asked for by the clock, after a connection: how often within a turn depends on how long that takes.
_OF_CONNECTIONS = {"missedDirectives"}
_RUN = "frames"
_CHANGING = {
    *("alternatives", "audio_duration", "confidence", "deadline_time", "decide_time", "device_clock_offset"),
    *(
        "concealed_frame_count",
        "end_of_speech_offset",
        "end_of_speech_time",
        "engine",
        "event_time",
        "expected_sequence",
    ),
    *("expire_time", "firmware_version", "media_offset", "owner_epoch", "registry_revision", "session_revision"),
    *("audio_bytes", "begin_time", "owner", "start_sequence"),
    *("skill_version", "start_offset", "start_time", "revision", "duration"),
}
_IDS = re.compile(r"([a-z_]*?)_?id$")
_MEANINGFUL_IDS = {"skill_id"}


def snapshot(messages: Iterable[Msg], address: DeviceAddress) -> dict[str, list[Any]]:
    """Return what a device's turn put on the bus, by subject.

    Raises:
        AssertionError: A message is on a subject that is not in the catalogue.
    """
    placeholders: dict[str, dict[str, str]] = {}
    found: dict[str, list[Any]] = {}
    for message in messages:
        channel = channel_of(message.subject)
        if channel.name in _OF_CONNECTIONS:
            continue
        content = MessageToDict(channel.message.FromString(message.data), preserving_proto_field_name=True)
        if not _is_of(message.subject, content, address):
            continue
        entries = found.setdefault(_without_ids(message.subject, channel), [])
        entry = _entry(channel, _normal(_without_clock(content), placeholders))
        if entry is not None and not (entry == _RUN and entries and entries[-1] == _RUN):
            entries.append(entry)
    return dict(sorted(found.items()))


def check(name: str, found: dict[str, list[Any]], folder: Path) -> None:
    """Compare with the committed file, or write it where EARSHOT_UPDATE_SNAPSHOTS is set.

    Raises:
        AssertionError: They differ.
    """
    path = folder / f"{name}.json"
    told = json.dumps(found, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    if os.environ.get("EARSHOT_UPDATE_SNAPSHOTS"):
        folder.mkdir(exist_ok=True)
        path.write_text(told)
    assert path.exists(), f"{path} is missing: run with EARSHOT_UPDATE_SNAPSHOTS=1"
    difference = "\n".join(difflib.unified_diff(path.read_text().splitlines(), told.splitlines(), lineterm=""))
    assert not difference, f"{path} differs: if that is meant, run with EARSHOT_UPDATE_SNAPSHOTS=1\n{difference}"


def channel_of(subject: str) -> Channel:
    """Return the channel that a concrete subject belongs to.

    Raises:
        AssertionError: None has this subject, or several have.
    """
    found = [channel for channel in CHANNELS if _pattern(channel).fullmatch(subject)]
    assert len(found) == 1, f"{subject}: {[channel.name for channel in found]}"
    return found[0]


def _pattern(channel: Channel) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^.]+)", re.escape(channel.address)))


def _without_ids(subject: str, channel: Channel) -> str:
    matched = _pattern(channel).fullmatch(subject)
    assert matched is not None
    kept = {name: value for name, value in matched.groupdict().items() if name in {"locale", "lane"}}
    return re.sub(r"\{(\w+)\}", lambda part: kept.get(part[1], f"<{part[1]}>"), channel.address)


def _is_of(subject: str, content: dict[str, Any], address: DeviceAddress) -> bool:
    """Tell whether a message is about a device: its subject says so, or the turn in it."""
    turn = content.get("turn", content)
    parts = (turn.get("household_id"), turn.get("device_id"))
    return f".{address.household}.{address.device}." in subject or parts == tuple(address)


def _entry(channel: Channel, content: dict[str, Any]) -> Any:
    if channel.name in _FRAMES:
        return _RUN
    # How many interim results there are, and whether there is one of a short sentence, depends on how busy the machine is.
    return None if content.keys() & {"upload_ack", "interim_transcript"} else content


def _without_clock(content: dict[str, Any]) -> dict[str, Any]:
    """Replace the words of prompts that tell the time, also where directives repeat them."""
    text = json.dumps(content, ensure_ascii=False)
    for prompt in content.get("prompts", []):
        if prompt["key"].startswith("clock."):
            text = text.replace(json.dumps(prompt["text"], ensure_ascii=False)[1:-1], f"<{prompt['key']}>")
    return dict(json.loads(text))


def _normal(value: Any, placeholders: dict[str, dict[str, str]], name: str = "") -> Any:
    if isinstance(value, dict):
        # The best reading is the one that counts; how the others rank is the engine's business.
        best = {"transcript": value["alternatives"][0]["transcript"]} if "alternatives" in value else {}
        kept = {key: part for key, part in value.items() if key not in _CHANGING}
        return best | {key: _normal(part, placeholders, key) for key, part in kept.items()}
    if isinstance(value, list):
        if name == "hypotheses":
            value = value[:1]
        return [_normal(part, placeholders, name) for part in value]
    if name == "url":
        return "<url>"
    kind = _IDS.fullmatch(name)
    if kind is None or name in _MEANINGFUL_IDS or not isinstance(value, str):
        return value
    return _placeholder(kind[1].rsplit("_", 1)[-1], value, placeholders)


def _placeholder(kind: str, value: str, placeholders: dict[str, dict[str, str]]) -> str:
    known = placeholders.setdefault(kind, {})
    number = "" if not known else f" {len(known) + 1}"
    return known.setdefault(value, f"<{kind}{number}>")
