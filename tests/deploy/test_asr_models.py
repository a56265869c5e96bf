"""Models of the recogniser on a cluster: what is mounted where, what is required then, and what fills the volume."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from earshot_models import CMU_MANDARIN, SHERPA_ZH_EN, Model, installed
from support.crosscheck.checks import complaints
from support.crosscheck.cluster import Cluster, Container, overlays_of
from support.manifests import DEPLOY, Object, named, of_kind, pod_templates, render, validate
from support.pod_security import violations

COMPONENT = "components/asr-models"
CHOSEN = "  # - ../../components/asr-models\n"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of deploy/ whose asr has the component, as docs/deploy.md says."""
    tree = tmp_path_factory.mktemp("models").resolve() / "deploy"
    shutil.copytree(DEPLOY, tree)
    file = tree / "base" / "asr" / "kustomization.yaml"
    assert CHOSEN in file.read_text()
    file.write_text(file.read_text().replace(CHOSEN, CHOSEN.replace("# ", "")))
    return tree


def recogniser(objects: tuple[Object, ...]) -> Container:
    """Return asr's container."""
    return next(each for each in Cluster(objects).containers if each.who == "Deployment asr")


def test_a_recogniser_with_models_reads_them_and_starts_with_nothing_less(tree: Path) -> None:
    """Production with the component mounts the volume where the image looks for models, and both locales are required."""
    objects = render(str(tree / "overlays" / "prod"))
    for content in objects:
        validate(content)
    assert complaints(Cluster(objects + render(str(tree / "overlays" / "prod" / "admin")))) == []
    asr = recogniser(objects)
    mount = asr.mounted(asr.variables["EARSHOT_MODELS"])
    assert mount is not None
    assert (mount.read_only, mount.kept) == (True, True)
    assert asr.variables["EARSHOT_ASR_REQUIRED_LOCALES"] == '["en-US", "zh-CN"]'
    # A team that applies its own folder changes nothing of it.
    (claim,) = of_kind(render(str(tree / "base" / "asr")), "PersistentVolumeClaim")
    assert named(objects, "PersistentVolumeClaim", "asr-models")["spec"] == claim["spec"]


def test_without_the_component_nothing_is_required() -> None:
    """What is shipped needs no volume, and its recogniser hears what its image brings along."""
    asr = recogniser(overlays_of("prod"))
    assert asr.mounted(asr.variables["EARSHOT_MODELS"]) is None
    assert "EARSHOT_ASR_REQUIRED_LOCALES" not in asr.variables
    assert Cluster(overlays_of("prod")).of_kind("PersistentVolumeClaim") == []


def filling() -> Cluster:
    """Return the Job that fills the volume, in the namespace that it is applied to."""
    objects = render(f"{COMPONENT}/fill")
    return Cluster(tuple({**each, "metadata": {**each["metadata"], "namespace": "earshot"}} for each in objects))


def test_the_job_that_fills_the_volume_may_write_to_it() -> None:
    """It runs, restricted, in the recogniser's image, and writes to the claim that recognisers read."""
    cluster = filling()
    for content in cluster.objects:
        validate(content)
    assert complaints(cluster) == []
    assert [list(violations(template)) for _, template in pod_templates(cluster.objects)] == [[]]
    (job,) = cluster.containers
    mount = job.mounted(job.variables["EARSHOT_MODELS"])
    assert mount is not None
    assert (mount.read_only, mount.kept) == (False, True)
    assert (job.spec["stdin"], job.spec["stdinOnce"]) == (True, True)


def sent(content: bytes, directory: Path) -> subprocess.CompletedProcess[bytes]:
    """Run what the Job runs, with this on its standard input."""
    (job,) = filling().containers
    command = [sys.executable, *job.command[1:]]
    environment = {**os.environ, "EARSHOT_MODELS": str(directory)}
    return subprocess.run(command, input=content, env=environment, capture_output=True, check=False)


def archive(model: Model) -> bytes:
    """Return an archive of a model, as `tar -C … -cz <id>` makes it; its files are nonsense."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for file in model.files:
            entry = tarfile.TarInfo(f"{model.id}/{file.name}")
            entry.size = len(file.name)
            tar.addfile(entry, io.BytesIO(file.name.encode()))
    return packed.getvalue()


def test_an_archive_that_is_sent_becomes_a_model(tmp_path: Path) -> None:
    """What comes on standard input is checked and put into its place; nothing else is left there."""
    done = sent(archive(SHERPA_ZH_EN), tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert installed(SHERPA_ZH_EN, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [SHERPA_ZH_EN.id]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", b"source_unreadable"),
        (b"no archive", b"source_unreadable"),
        (archive(CMU_MANDARIN), b"model_altered"),
        (archive(SHERPA_ZH_EN)[:-40], b"source_unreadable"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes, code: bytes) -> None:
    """Nothing, something else, another version of a file and half an archive: one sentence with a code, and no model."""
    done = sent(content, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(b"earshot_models: " + code)
    assert done.stderr.count(b"\n") == 1
    assert list(tmp_path.iterdir()) == []
