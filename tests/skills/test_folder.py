"""A skill's folder is checked when it is loaded: every mistake is named with its file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from earshot_skillkit import BrokenManifestError, load_folder, load_package
from support import toy_skill

MISTAKES = [
    # file, text that is replaced, by what, the key that the error names, words of the error
    ("manifest.yaml", toy_skill.MANIFEST, "- a", "", "not a mapping"),
    ("manifest.yaml", toy_skill.MANIFEST, "a: [", "", "not YAML at line"),
    ("manifest.yaml", "id: toy", "id: Toy", "id", "match"),
    ("manifest.yaml", "id: toy", "id: assistant", "id", "assistant"),
    ("manifest.yaml", "id: toy", "", "id", "required"),
    ("manifest.yaml", "id: toy", "id: toy\nversion: 1", "version", "not permitted"),
    ("manifest.yaml", "timeout_s: 2", "timeout_s: 0", "timeout_s", "greater than 0"),
    ("manifest.yaml", "[en-US, zh-CN]", "[]", "locales", "at least 1"),
    ("manifest.yaml", "[en-US, zh-CN]", "[en-US, english]", "locales.1", "BCP-47"),
    ("manifest.yaml", "[en-US, zh-CN]", "[en-US, en-US]", "locales", "twice"),
    ("manifest.yaml", "type: number", "type: colour", "intents.greet.slots.times.type", "text"),
    ("manifest.yaml", "summary: Fails.", "summary: ''", "intents.fail.summary", "at least 1"),
    ("manifest.yaml", "effect_guarantee: exactly_once", "", "effect_guarantee", "halt"),
    ("sentences/en-US.yaml", "language: en-US", "language: de-DE", "language", "en-US"),
    ("sentences/en-US.yaml", "language: en-US", "sentence: x", "sentence", "unknown"),
    ("sentences/en-US.yaml", "  fail:", "  flail:", "intents.flail", "not an intent"),
    ("sentences/en-US.yaml", 'fail: {data: [{sentences: ["fail"]}]}', "", "intents.fail", "no sentences"),
    ("sentences/en-US.yaml", '["fail"]', "[]", "intents.fail.data[0].sentences", "missing"),
    ("sentences/en-US.yaml", '["fail"]', '["(fail"]', "intents.fail.data[0].sentences[0]", "parsed"),
    ("sentences/en-US.yaml", '["fail"]', '["fail", 3]', "intents.fail.data[0].sentences[1]", "not a sentence"),
    ("sentences/en-US.yaml", '["fail"]', '["fail {name}"]', "intents.fail.data[0].sentences[0]", "not a slot"),
    ("sentences/en-US.yaml", "greet {name}", "greet {colour:name}", "intents.greet.data[0].sentences[0]", "no list"),
    ("sentences/en-US.yaml", "greet {name}", "greet <who>", "intents.greet.data[0].sentences[0]", "no expansion rule"),
    ("sentences/en-US.yaml", "values: [Ada, Bo]", "values: 7", "", "hassil refuses"),
    ("responses/zh-CN.yaml", toy_skill.RESPONSES["zh-CN"], "[]", "", "not a mapping"),
    ("responses/zh-CN.yaml", 'wait: "请稍等。"', "", "wait", "another locale has it"),
    ("responses/zh-CN.yaml", 'wait: "请稍等。"', "wait: 3", "wait", "not a text"),
    ("responses/zh-CN.yaml", "请稍等", "{{ 请", "wait", "parsed"),
    ("responses/zh-CN.yaml", 'ask.greet.name: "谁？"', "", "ask.greet.name", "required"),
    ("responses/zh-CN.yaml", "ask.greet.name", "ask.greet.nom", "ask.greet.nom", "does not have"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a correct folder."""
    return toy_skill.write_toy(tmp_path / "toy")


def test_a_correct_folder_loads(folder: Path) -> None:
    """Manifest, sentences and responses are there in both locales."""
    package = load_folder(folder, version="1.2.3+local")
    assert package.version == "1.2.3_local"
    assert list(package.words) == ["en-US", "zh-CN"]
    assert package.words["zh-CN"].responses.render("hello", {"name": "Ada"}) == "你好，Ada。"
    assert "greet" in package.words["en-US"].intents.intents


@pytest.mark.parametrize(("file", "old", "new", "key", "words"), MISTAKES)
def test_a_mistake_is_named(folder: Path, file: str, old: str, new: str, key: str, words: str) -> None:
    """The error has the code broken_manifest and names file and key."""
    path = folder / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(BrokenManifestError) as raised:
        load_folder(folder, version="1.0.0")
    assert (raised.value.code, raised.value.file, raised.value.key) == ("broken_manifest", file, key)
    assert words in str(raised.value)
    assert file in str(raised.value)


@pytest.mark.parametrize("file", ["manifest.yaml", "sentences/zh-CN.yaml", "responses/en-US.yaml"])
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    """The error names the file."""
    (folder / file).unlink()
    with pytest.raises(BrokenManifestError, match="can't be read") as raised:
        load_folder(folder, version="1.0.0")
    assert raised.value.file == file


def test_rules_that_refer_to_each_other_are_found(folder: Path) -> None:
    """A circle of expansion rules ends in an error, not in a recursion."""
    path = folder / "sentences" / "en-US.yaml"
    text = path.read_text("utf-8").replace('"greet"]', '"greet <a>"]')
    path.write_text(f'{text}expansion_rules: {{a: "x [<b>]", b: "y [<a>]"}}\n', "utf-8")
    with pytest.raises(BrokenManifestError, match="refer to each other"):
        load_folder(folder, version="1.0.0")


def test_text_that_is_not_utf8_is_named(folder: Path) -> None:
    """The error says so instead of showing a decoder's message."""
    (folder / "manifest.yaml").write_bytes(b"id: \xff\xfe")
    with pytest.raises(BrokenManifestError, match="not UTF-8"):
        load_folder(folder, version="1.0.0")


def test_a_package_that_is_not_installed_is_an_error() -> None:
    """The package is named."""
    with pytest.raises(BrokenManifestError, match="earshot_skill_nowhere"):
        load_package("earshot_skill_nowhere")


@pytest.mark.parametrize("package", ["earshot_skill_clock", "earshot_skill_weather"])
def test_our_own_skills_are_correct(package: str) -> None:
    """Both locales, and the distribution's version."""
    loaded = load_package(package)
    assert set(loaded.words) == {"en-US", "zh-CN"}
    assert loaded.version
