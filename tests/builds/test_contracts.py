"""The contracts that builds are tested with are what they say they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from builds.contracts import (
    ADDED_NUMBER,
    PROTOS,
    TESTS,
    Contracts,
    broken_contracts,
    next_contracts,
    previous_contracts,
    previous_descriptors,
    released_descriptors,
)
from support.buf import buf
from support.contracts import message_classes

FILE = "earshot/dialogue/v1/outcome.proto"
SAMPLES = TESTS / "contracts" / "samples"
# Reads every committed sample, and says which differ from what was committed.
READ_SAMPLES = """
import json, pathlib, sys
from google.protobuf import json_format
from support.contracts import message_classes
differ = []
for name, kind in message_classes().items():
    path = pathlib.Path(sys.argv[1]) / f"{name}.json"
    if path.exists():
        sample = json.loads(path.read_text())
        try:
            message = kind.FromString(bytes.fromhex(sample["bytes"]))
            same = json_format.MessageToDict(message, preserving_proto_field_name=True) == sample["json"]
        except Exception:
            same = False
        if not same:
            differ.append(name)
print(json.dumps(sorted(differ)))
"""
BREAKS = {
    "another number": ("  string turn_id = 1;", "  string turn_id = 21;"),
    "another type": ("  string locale = 6;", "  uint32 locale = 6;"),
}


def misread(contracts: Contracts, record: Path) -> list[str]:
    """Return the messages whose committed samples a build reads otherwise than they were meant."""
    environment = {**os.environ, **contracts.environment(record)}
    command = [sys.executable, "-P", "-c", READ_SAMPLES, str(SAMPLES)]
    return json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def test_next_contracts_add_to_every_message(tmp_path: Path) -> None:
    """Each message has a field more, and a build with them reads whatever was ever written."""
    contracts = next_contracts(tmp_path)
    stubs = (contracts.site / "earshot").rglob("*_pb2_grpc.py")
    assert {stub.name for stub in stubs} >= {"assistant_pb2_grpc.py", "skill_pb2_grpc.py"}
    code = (
        "import json; from support.contracts import message_classes as all;"
        "print(json.dumps([name for name, kind in all().items() if 'added_in_next' in kind.DESCRIPTOR.fields_by_name]))"
    )
    environment = {**os.environ, **contracts.environment(tmp_path)}
    told = subprocess.run([sys.executable, "-P", "-c", code], env=environment, check=True, capture_output=True)
    assert set(json.loads(told.stdout)) == set(message_classes())
    assert misread(contracts, tmp_path) == []


def test_previous_contracts_are_the_released_ones(tmp_path: Path) -> None:
    """A build with them knows by number and type what was released, and of those messages nothing else."""
    known = {
        (file.package, message.name, field.number, field.name, field.type)
        for file in previous_descriptors().file
        for message in file.message_type
        for field in message.field
    }
    for file in released_descriptors().file:
        for message in file.message_type:
            released = {(file.package, message.name, field.number, field.name, field.type) for field in message.field}
            mine = {each for each in known if each[:2] == (file.package, message.name)}
            assert {each for each in mine if each[2] < ADDED_NUMBER} == released
    assert misread(previous_contracts(tmp_path), tmp_path) == []


@pytest.mark.parametrize(("line", "broken"), BREAKS.values(), ids=BREAKS)
def test_broken_contracts_misread(tmp_path: Path, line: str, broken: str) -> None:
    """A field with another number or another type is not what was written: what was committed is misread."""
    contracts = broken_contracts(tmp_path, "earshot/common/v1/turn.proto", line, broken)
    assert {"earshot.common.v1.TurnContext", "earshot.dialogue.v1.Outcome"} <= set(misread(contracts, tmp_path))


def _descriptor(
    contracts: descriptor_pb2.FileDescriptorSet, name: str
) -> tuple[descriptor_pb2.FileDescriptorProto, descriptor_pb2.EnumDescriptorProto]:
    """Return a file with its first enum."""
    file = next(file for file in contracts.file if file.name == name)
    return file, file.enum_type[0]


@pytest.mark.parametrize("kind", ["field", "value", "message", "type"])
def test_what_was_released_and_is_gone_is_refused(tmp_path: Path, kind: str) -> None:
    """No build stands in for a release of which today's contracts lack something, or have another type; buf refuses them, too."""
    released = released_descriptors()
    file, enum = _descriptor(released, FILE)
    if kind == "field":
        file.message_type[0].field.add(name="lost", number=900, type=9, label=1, json_name="lost")
    elif kind == "value":
        enum.value.add(name="OUTCOME_KIND_LOST", number=900)
    elif kind == "message":
        file.message_type.add(name="Lost")
    else:
        next(
            each for each in file.message_type[0].field if each.type == descriptor_pb2.FieldDescriptorProto.TYPE_STRING
        ).type = 12
    with pytest.raises(ValueError, match="released_contract_broken"):
        previous_descriptors(released)
    (tmp_path / "released.binpb").write_bytes(released.SerializeToString())
    status, told = buf("breaking", PROTOS, "--against", tmp_path / "released.binpb")
    assert (status != 0, FILE in told or "Lost" in told) == (True, True), told


def test_an_enum_value_that_was_added_is_unknown_to_the_previous_build(tmp_path: Path) -> None:
    """A build of the release keeps the number of a value that it does not know, and lacks that value; buf lets values be added."""
    released = released_descriptors()
    _, enum = _descriptor(released, FILE)
    added = enum.value[-1].number
    del enum.value[-1]
    _, previous = _descriptor(previous_descriptors(released), FILE)
    assert added not in {value.number for value in previous.value}
    assert {value.number for value in enum.value} < {value.number for value in previous.value}
    (tmp_path / "released.binpb").write_bytes(released.SerializeToString())
    status, told = buf("breaking", PROTOS, "--against", tmp_path / "released.binpb")
    assert status == 0, told
