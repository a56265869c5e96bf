"""Every message survives the wire, today's bytes and those that were written before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from support.contracts import message_classes, saturated

SAMPLES = Path(__file__).parent / "samples"
CLASSES = message_classes()


def test_contracts_are_found() -> None:
    """The walk finds the contracts: a broken walk would make the tests below pass over nothing."""
    assert {"earshot.dialogue.v1.Outcome", "earshot.common.v1.ParkedMessage.Header"} <= CLASSES.keys()
    assert len(CLASSES) > 80


@pytest.mark.parametrize("name", CLASSES)
def test_saturated_message_survives(name: str) -> None:
    """A message with a value in every field comes back equal, over bytes and over JSON."""
    message = saturated(CLASSES[name])
    _assert_every_field_is_set(message)
    assert CLASSES[name].FromString(message.SerializeToString(deterministic=True)) == message
    assert json_format.ParseDict(json_format.MessageToDict(message), CLASSES[name]()) == message


@pytest.mark.parametrize("name", CLASSES)
def test_committed_sample_is_still_read(name: str) -> None:
    """Bytes that were written when the message was first committed mean the same today."""
    path = SAMPLES / f"{name}.json"
    assert path.exists(), f"{name} has no sample: run `python tests/contracts/samples.py`"
    sample = json.loads(path.read_text())
    message = CLASSES[name].FromString(bytes.fromhex(sample["bytes"]))
    assert json_format.MessageToDict(message, preserving_proto_field_name=True) == sample["json"]


def test_no_sample_without_a_message() -> None:
    """A message that was removed is noticed: its sample stays behind."""
    assert {path.stem for path in SAMPLES.glob("*.json")} == set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_unknown_fields_survive(name: str) -> None:
    """A field that a newer sender added is kept when a message is read and written again."""
    added = b"\xfa\xff\x01\x03new"  # field 4095, length-delimited
    message = CLASSES[name].FromString(saturated(CLASSES[name]).SerializeToString() + added)
    assert added in message.SerializeToString()


def _assert_every_field_is_set(message: Message) -> None:
    chosen = {oneof.name for oneof in message.DESCRIPTOR.oneofs if message.WhichOneof(oneof.name)}
    assert chosen == {oneof.name for oneof in message.DESCRIPTOR.oneofs}
    missing = {field.name for field in message.DESCRIPTOR.fields if field.containing_oneof is None} - {
        field.name for field, _ in message.ListFields()
    }
    assert not missing
