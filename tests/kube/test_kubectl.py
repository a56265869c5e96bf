"""The API server of our own, asked by the real kubectl, which looks first who validates."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import yaml

KUBECTL = Path(sys.executable).parent / "kubectl"
LIST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: map}
data: {a: "1"}
---
apiVersion: earshot.dev/v1alpha1
kind: Skill
metadata: {name: trivia}
spec: {image: "trivia:1", locales: [en-US]}
"""


async def test_kubectl_applies_and_leaves_validation_to_the_server(kubeconfig, where):
    """With its usual validation: what is right is made and made again, a misspelt field is refused by its name."""

    async def apply(text):
        command = [str(KUBECTL), "--kubeconfig", str(kubeconfig), "apply", "-n", where, "-f", "-"]
        return await asyncio.to_thread(
            subprocess.run, command, input=text, capture_output=True, text=True, check=False, timeout=50
        )

    made = await apply(LIST)
    assert made.stdout.splitlines() == ["configmap/map created", "skill.earshot.dev/trivia created"], made.stderr
    again = await apply(LIST.replace("trivia:1", "trivia:2"))
    assert again.stdout.splitlines() == ["configmap/map unchanged", "skill.earshot.dev/trivia configured"], again.stderr
    for kind in yaml.safe_load_all(LIST):
        wrong = await apply(yaml.safe_dump(kind | {"mispelt": {}}))
        assert (wrong.returncode, "mispelt" in wrong.stderr) == (1, True), wrong.stderr
