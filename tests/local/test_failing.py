"""What a skill that fails shows is its author's code, and why; not how we came to run it."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from earshot_local import forking, lean

MAIN = """
import asyncio
import dice.skill
async def main():
    await dice.skill.start()
asyncio.run(main())
"""
CAUSE = """
import asyncio
async def inner():
    raise KeyError('why')
async def start():
    try:
        await asyncio.gather(inner())
    except KeyError as error:
        raise ValueError('what') from error
"""
FAULTS = {
    "import": ("print(secret)", "NameError: name 'secret' is not defined", ["__main__.py", "skill.py"]),
    "start": ("async def start():\n    print(secret)", "NameError", ["__main__.py", "__main__.py", "skill.py"]),
    "below": (
        "import json\nasync def start():\n    json.loads('{')",
        "JSONDecodeError",
        ["__main__.py", "__main__.py", "skill.py", "__init__.py", "decoder.py", "decoder.py"],
    ),
    "cause": (
        CAUSE,
        "ValueError: what",
        ["skill.py", "skill.py", "__main__.py", "__main__.py", "skill.py"],
    ),
}


async def failed(folder: Path, code: str, *, fresh: bool = False, module: str = "dice", **environment: str) -> str:
    """Run a package of some code as a skill is; return what it wrote."""
    package = folder / "dice"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(MAIN)
    (package / "skill.py").write_text(code)
    own = {name: word for name, word in os.environ.items() if not name.startswith("PYTEST_")}
    output = folder / "output"
    with output.open("wb") as written:
        command = (sys.executable, "-P", lean.__file__, module)
        environment = {**own, "PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1", **environment}
        process = await forking.start(command, environment, written, fresh=fresh)
        async with asyncio.timeout(60):
            assert await process.wait() == 1
    return output.read_text()


def files(text: str) -> list[str]:
    """Return the files of a traceback's frames, in order."""
    return [Path(name).name for name in re.findall(r'File "([^"]+)"', text)]


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_traceback_is_of_its_authors_code(tmp_path: Path, fault: str, *, fresh: bool) -> None:
    """Frames of the package and of what it calls are there, and causes too; of what runs it, none."""
    code, error, frames = FAULTS[fault]
    said = await failed(tmp_path, code, fresh=fresh)
    assert error in said
    assert files(said) == frames
    if fault == "cause":
        assert (
            said.index("KeyError: 'why'") < said.index("The above exception was the direct cause") < said.index(error)
        )


async def test_what_fails_without_its_author_is_whole(tmp_path: Path) -> None:
    """Where no code of the package was reached, and where somebody asks for it, nothing is left out."""
    code, error, _ = FAULTS["import"]
    assert "runpy" in str(files(await failed(tmp_path, code, module="dice.nothing")))
    whole = await failed(tmp_path, code, EARSHOT_DEBUG="1")
    assert error in whole
    assert "<frozen runpy>" in files(whole)
