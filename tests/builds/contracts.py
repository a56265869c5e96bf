"""Other contracts than today's, each generated into a folder as a distribution of its own.

    next      every message has a field more, every package a message more, which is that field's type. What is built from it
              fills the field in, says which process did, and writes down where it has read it (`builds.marking`).
    previous  the last release's, from its descriptors. What today's code needs to be imported and was not in the release
              stands in the place of a contract that nobody has: a field, or an enum's value, gets a number that no other build
              knows, so on the wire it is as if it were not there. What was released and is gone, or is another type, can't be
              stood in for: it is refused, as `buf breaking` refuses it.
    broken    one field has another number, or another type.

The folder goes first onto the path of one process: that process is a build with those contracts, all others stay as they are.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from google.protobuf import descriptor_pb2

import earshot

ROOT: Final = Path(__file__).resolve().parents[2]
PROTOS: Final = ROOT / "protos"
RELEASED: Final = PROTOS / "released.binpb"
TESTS: Final = ROOT / "tests"
# Where a build writes down which process has loaded it, and what it has read.
RECORD: Final = "EARSHOT_BUILD_RECORD"
ADDED_MESSAGE: Final = "AddedInNext"
ADDED_FIELD: Final = "added_in_next"
ADDED_NUMBER: Final = 15_000
# Beyond every number of the contracts, of what is added to them, and of what protobuf keeps for itself.
_NOBODY_KNOWS: Final = 30_000
_INIT: Final = '''"""The {name} build of the contracts."""
from builds import marking
marking.loaded("{name}")
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracts:
    """A distribution of contracts.

    Attributes:
        name: Of the build.
        site: Its folder, for a path.
        protos: What it was generated from; a file of descriptors for the previous one.
    """

    name: str
    site: Path
    protos: Path

    def environment(self, record: Path) -> Mapping[str, str]:
        """Return what makes a process a build with these contracts."""
        return {"PYTHONPATH": os.pathsep.join([str(self.site), str(TESTS)]), RECORD: str(record)}


def next_contracts(folder: Path) -> Contracts:
    """Make contracts to which something was added."""
    protos = _copied(folder / "next-protos", lambda _name, text: text)
    packages: dict[Path, str] = {}
    for path in sorted(protos.rglob("earshot/**/*.proto")):
        text = path.read_text()
        packages[path.parent] = _package(text)
        path.write_text(_with_a_field_more(text, path.parent.relative_to(protos)))
    for place, package in packages.items():
        (place / "added.proto").write_text(_a_message_more(package))
    made = _generated("next", folder, protos)
    for module in made.site.rglob("*_pb2.py"):
        with module.open("a") as code:
            code.write("\nfrom builds import marking\nmarking.mark(globals())\n")
    return made


def previous_contracts(folder: Path) -> Contracts:
    """Make the last release's contracts."""
    descriptors = folder / "previous.binpb"
    descriptors.parent.mkdir(parents=True, exist_ok=True)
    descriptors.write_bytes(previous_descriptors().SerializeToString())
    return _generated("previous", folder, descriptors)


def broken_contracts(folder: Path, file: str, line: str, broken: str) -> Contracts:
    """Make contracts in which one line is another one.

    Args:
        folder: Where to.
        file: "earshot/common/v1/turn.proto".
        line: Of that file; it occurs once.
        broken: What stands there instead.
    """

    def edit(name: str, text: str) -> str:
        assert name != file or text.count(line) == 1, f"{line!r} is not once in {file}"
        return text.replace(line, broken) if name == file else text

    return _generated("broken", folder, _copied(folder / "broken-protos", edit))


def released_descriptors() -> descriptor_pb2.FileDescriptorSet:
    """Return the last release's contracts, as they were released."""
    return descriptor_pb2.FileDescriptorSet.FromString(RELEASED.read_bytes())


def previous_descriptors(
    released_set: descriptor_pb2.FileDescriptorSet | None = None,
) -> descriptor_pb2.FileDescriptorSet:
    """Return the last release's contracts, with placeholders for what today's code needs besides.

    Args:
        released_set: What was released; None: what is committed.

    Raises:
        ValueError: Something that was released is gone, or is another type.
    """
    released = {file.name: file for file in (released_set or released_descriptors()).file}
    if gone := sorted(_wire(released.values()) - _wire(_todays().values())):
        raise ValueError(f"released_contract_broken: {gone}")
    values = {each[1:3] for each in _wire(released.values()) if each[0] == "value"}
    enums = {each[0] for each in values}
    known = {
        f"{file.package}.{name}": {field.number for field in message.field}
        for file in released.values()
        for name, message in _messages("", file.message_type)
    }
    files = [file for name, file in released.items() if not name.startswith("earshot/")]
    for file in _todays().values():
        if file.name in released:
            for name, message in _messages("", file.message_type):
                numbers = known.get(f"{file.package}.{name}")
                for field in message.field if numbers is not None else ():
                    field.number += 0 if field.number in numbers else _NOBODY_KNOWS
            for name, enum in _enums(file):
                for value in enum.value if name in enums else ():
                    value.number += 0 if (name, str(value.number)) in values else _NOBODY_KNOWS
        files.append(file)
    return descriptor_pb2.FileDescriptorSet(file=files)


def _todays() -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """Return today's files, each behind those that it imports."""
    found: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def add(descriptor: object) -> None:
        for needed in descriptor.dependencies:
            add(needed)
        if descriptor.name.startswith("earshot/") and descriptor.name not in found:
            proto = descriptor_pb2.FileDescriptorProto()
            descriptor.CopyToProto(proto)
            found[descriptor.name] = proto

    for module in pkgutil.walk_packages(earshot.__path__, "earshot."):
        if module.name.endswith("_pb2"):
            add(importlib.import_module(module.name).DESCRIPTOR)
    return found


def _messages(prefix: str, messages: object) -> list[tuple[str, descriptor_pb2.DescriptorProto]]:
    """Return messages with those within them, by name."""
    found = []
    for message in messages:
        name = f"{prefix}{message.name}"
        found += [(name, message), *_messages(f"{name}.", message.nested_type)]
    return found


def _enums(file: descriptor_pb2.FileDescriptorProto) -> list[tuple[str, descriptor_pb2.EnumDescriptorProto]]:
    """Return a file's enums with those within its messages, by full name."""
    within = [
        (f"{name}.{enum.name}", enum) for name, each in _messages("", file.message_type) for enum in each.enum_type
    ]
    return [
        (f"{file.package}.{name}", enum) for name, enum in [*((each.name, each) for each in file.enum_type), *within]
    ]


def _wire(files: Iterable[descriptor_pb2.FileDescriptorProto]) -> set[tuple[str, ...]]:
    """Return what others rely on of our files: messages, their fields, and enums' values, each with what may not change."""
    found: set[tuple[str, ...]] = set()
    for file in files:
        if file.name.startswith("earshot/"):
            for name, message in _messages(f"{file.package}.", file.message_type):
                found.add(("message", name))
                found |= {
                    ("field", name, str(each.number), each.name, str(each.type), each.type_name, str(each.label))
                    for each in message.field
                }
            found |= {
                ("value", name, str(each.number), each.name) for name, enum in _enums(file) for each in enum.value
            }
    return found


def _copied(folder: Path, edit: Callable[[str, str], str]) -> Path:
    for path in PROTOS.rglob("earshot/**/*.proto"):
        name = path.relative_to(PROTOS)
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(edit(str(name), path.read_text()))
    shutil.copy(PROTOS / "buf.yaml", folder / "buf.yaml")
    return folder


def _package(text: str) -> str:
    found = re.search(r"^package ([\w.]+);$", text, re.MULTILINE)
    assert found is not None
    return found.group(1)


def _with_a_field_more(text: str, place: Path) -> str:
    added = f"// Added.\n{ADDED_MESSAGE} {ADDED_FIELD} = {ADDED_NUMBER};"
    text, count = re.subn(r"^( *message \w+ \{)", rf"\1\n{added}\n", text, flags=re.MULTILINE)
    assert count == len(re.findall(r"\bmessage \w+ \{", text))
    return re.sub(r"^(package .*)$", rf'\1\nimport "{place}/added.proto";', text, count=1, flags=re.MULTILINE)


def _a_message_more(package: str) -> str:
    return (
        f'syntax = "proto3";\n\npackage {package};\n\n'
        f"// Added.\nmessage {ADDED_MESSAGE} {{\n  // Which process filled it in.\n  string by = 1;\n}}\n"
    )


def _generated(name: str, folder: Path, contracts: Path) -> Contracts:
    site = folder / name
    site.mkdir(parents=True)
    command = [sys.executable, str(PROTOS / "generate.py"), "--into", str(site), "--protos", str(contracts)]
    subprocess.run(command, check=True)
    (site / "earshot" / "__init__.py").write_text(_INIT.format(name=name))
    information = site / f"earshot_contracts-{name}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: earshot-contracts\nVersion: 0.1.0+{name}\n")
    return Contracts(name=name, site=site, protos=contracts)
