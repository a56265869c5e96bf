"""List in docs/contracts.md which contracts each service speaks, and what has been added to them since the last release.

Usage: python protos/speakers.py [--check]

What a service says and hears on the bus is what the catalogue of channels declares for its role; what it serves and calls is what
its code does with generated gRPC code, and that of the libraries that it imports. --check fails when the list is stale.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from google.protobuf import descriptor_pb2

import earshot
from earshot_topology.catalog import CHANNELS

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "docs" / "contracts.md"
RELEASED = ROOT / "protos" / "released.binpb"
HEAD = """# Who speaks which contract

Every distribution is built with a version of `earshot-contracts` of its own and deployed when its team likes: what others are
built with may be older or newer. Within a major version (`v1`) fields and messages are added and nothing else, which `buf breaking`
sees to in `make check`, and what a service does not know it carries on ([rules](../protos/README.md#rules)). `tests/rolling`
replaces each service under live turns by a build with added fields and messages and by one with the last release's contracts;
`make test-deploy` does it for one service after the other, each skill too, and shows what a breaking change costs.
"""


def main() -> None:
    """Run the command."""
    if "--check" not in sys.argv[1:]:
        LIST.write_text(text())
    elif not LIST.exists() or LIST.read_text() != text():
        raise SystemExit(f"{LIST.relative_to(ROOT)} is stale, run `make protos`")


def text() -> str:
    """Return the document."""
    return "\n".join([HEAD, *_packages(), "", *_services(), ""])


def _packages() -> Iterator[str]:
    version = tomllib.loads((ROOT / "services/contracts/pyproject.toml").read_text())["project"]["version"]
    yield f"## Packages of earshot-contracts {version}"
    yield ""
    yield "| package | messages | added since the last release |"
    yield "|---|---|---|"
    released = _fields(descriptor_pb2.FileDescriptorSet.FromString(RELEASED.read_bytes()).file)
    todays = _fields(_todays())
    for package, messages in sorted(todays.items()):
        before = released.get(package, {})
        added = [
            f"{message}.{field}"
            for message, fields in sorted(messages.items())
            if message in before
            for field in sorted(fields - before[message])
        ]
        new = sorted(set(messages) - set(before))
        yield f"| `{package}` | {len(messages)} | {', '.join(f'`{name}`' for name in [*new, *added]) or 'nothing'} |"


def _services() -> Iterator[str]:
    yield "## Services"
    yield ""
    yield "On the bus by message; gRPC by service. Packages are all that the code imports, by itself or through a library."
    yield ""
    yield "| distribution | packages | says | hears | serves | may call |"
    yield "|---|---|---|---|---|---|"
    for folder in sorted(ROOT.glob("services/**/pyproject.toml")):
        told = tomllib.loads(folder.read_text())["project"]
        package = next((folder.parent / "src").iterdir()).name
        role = "skill" if folder.parent.parent.name == "skills" else folder.parent.name
        says = {channel.message.DESCRIPTOR.name for channel in CHANNELS if role in channel.senders}
        hears = {channel.message.DESCRIPTOR.name for channel in CHANNELS if role in channel.receivers}
        for channel in CHANNELS:
            if channel.reply is not None:
                (says if role in channel.receivers else hears if role in channel.senders else set()).add(
                    channel.reply.DESCRIPTOR.name
                )
        code = list(_code(package))
        speaks = {name for imports, _ in code for name in imports if name.startswith("earshot.")}
        if package == "earshot" or not speaks:
            continue
        names = {name for _, used in code for name in used}
        serves = {name.removesuffix("Servicer") for name in names if name.endswith("Servicer")} & _grpc_services()
        calls = {name.removesuffix("Stub") for name in names if name.endswith("Stub")} & _grpc_services()
        packages = {".".join(name.split(".")[1:3]) for name in speaks}
        cells = [f"`{told['name']}` {told['version']}", *map(_listed, (packages, says, hears, serves, calls))]
        yield f"| {' | '.join(cells)} |"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "–"


def _code(package: str) -> Iterator[tuple[set[str], set[str]]]:
    """Yield what each module of a package, and each of ours that these import, imports and names."""
    waiting = [name for name in _modules() if name == package or name.startswith(f"{package}.")]
    seen = set(waiting)
    while waiting:
        imports, names = _read(waiting.pop())
        yield imports, names
        new = {name for name in imports if name in _modules()} - seen
        seen |= new
        waiting += new


@cache
def _modules() -> dict[str, Path]:
    """Return the files of our modules by name, generated ones left out."""
    found: dict[str, Path] = {}
    for source in ROOT.glob("services/**/src"):
        for path in source.rglob("*.py"):
            parts = path.relative_to(source).with_suffix("").parts
            if parts[0] != "earshot":
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def _read(module: str) -> tuple[set[str], set[str]]:
    """Return the modules that a module imports, and the names that occur in it."""
    imports: set[str] = set()
    names: set[str] = set()
    for node in ast.walk(ast.parse(_modules()[module].read_text())):
        if isinstance(node, ast.Import):
            imports |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Name):
            names.add(node.id)
    return imports, names


@cache
def _todays() -> tuple[descriptor_pb2.FileDescriptorProto, ...]:
    files: list[descriptor_pb2.FileDescriptorProto] = []
    for module in pkgutil.walk_packages(earshot.__path__, "earshot."):
        if module.name.endswith("_pb2"):
            file = descriptor_pb2.FileDescriptorProto()
            importlib.import_module(module.name).DESCRIPTOR.CopyToProto(file)
            files.append(file)
    return tuple(files)


@cache
def _grpc_services() -> frozenset[str]:
    return frozenset(service.name for file in _todays() for service in file.service)


def _fields(files: Iterable[descriptor_pb2.FileDescriptorProto]) -> dict[str, dict[str, set[str]]]:
    """Return the names of fields by package and message."""
    found: dict[str, dict[str, set[str]]] = {}
    for file in files:
        if file.package.startswith("earshot."):
            for message in file.message_type:
                fields = {field.name for field in message.field}
                found.setdefault(file.package, {})[message.name] = fields
    return found


if __name__ == "__main__":
    main()
