"""A skill's folder, read and checked: manifest.yaml, sentences/<locale>.yaml and responses/<locale>.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml
from hassil import Intents

from earshot_skillkit.errors import BrokenManifestError
from earshot_skillkit.manifest import FILE, Manifest, parse_manifest
from earshot_skillkit.responses import Responses, check_responses
from earshot_skillkit.sentences import check_sentences

# Ten times as fast, where they are: what is written in Python takes a tenth of a skill's start.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocaleWords:
    """A skill's words in one locale.

    Attributes:
        sentences_yaml: The sentence templates as they stand in the file.
        intents: The same, parsed by hassil.
        responses: What the skill says.
    """

    sentences_yaml: str
    intents: Intents
    responses: Responses


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillPackage:
    """Everything that a skill's folder holds besides code.

    Attributes:
        manifest: As written.
        version: SemVer of the distribution, "+" written "_".
        words: By locale, in the manifest's order.
    """

    manifest: Manifest
    version: str
    words: Mapping[str, LocaleWords]


def load_package(package: str) -> SkillPackage:
    """Read an installed skill, "earshot_skill_clock", whose distribution is named alike, "earshot-skill-clock".

    Raises:
        BrokenManifestError: The folder is incomplete or wrong, or the package or its distribution is not installed.
    """
    try:
        return load_folder(files(package), version=version(package))
    except ModuleNotFoundError as error:
        # PackageNotFoundError is one, too.
        what = "distribution" if isinstance(error, PackageNotFoundError) else "package"
        raise BrokenManifestError(FILE, "", f"the {what} of {package} is not installed") from error


def load_folder(folder: Traversable, *, version: str) -> SkillPackage:
    """Read a skill's package folder.

    Args:
        folder: Holds manifest.yaml, sentences/ and responses/.
        version: The skill's version.

    Raises:
        BrokenManifestError: The folder is incomplete or wrong; the message names file and key.
    """
    manifest = parse_manifest(_yaml(_text(folder, FILE), FILE))
    words: dict[str, LocaleWords] = {}
    for locale in manifest.locales:
        sentences_file, responses_file = f"sentences/{locale}.yaml", f"responses/{locale}.yaml"
        text = _text(folder, sentences_file)
        words[locale] = LocaleWords(
            sentences_yaml=text,
            intents=check_sentences(_yaml(text, sentences_file), file=sentences_file, locale=locale, manifest=manifest),
            responses=check_responses(
                _yaml(_text(folder, responses_file), responses_file),
                file=responses_file,
                locale=locale,
                manifest=manifest,
            ),
        )
    _check_same_keys(words)
    return SkillPackage(manifest=manifest, version=version.replace("+", "_"), words=words)


def with_lists(package: SkillPackage, lists: Mapping[str, Mapping[str, Any]]) -> SkillPackage:
    """Return the package with lists of its sentence templates replaced, for a skill whose words depend on its data.

    Args:
        package: As loaded.
        lists: hassil lists by name ({"values": […]}), by locale; those of other names stay as they are.

    Raises:
        BrokenManifestError: hassil refuses a list.
    """
    words = dict(package.words)
    for locale, replaced in lists.items():
        content = yaml.load(words[locale].sentences_yaml, Loader=_LOADER)  # noqa: S506 - both loaders are safe
        content["lists"] = {**(content.get("lists") or {}), **replaced}
        text = yaml.dump(content, Dumper=_DUMPER, allow_unicode=True, sort_keys=False)
        intents = check_sentences(content, file=f"sentences/{locale}.yaml", locale=locale, manifest=package.manifest)
        words[locale] = replace(words[locale], sentences_yaml=text, intents=intents)
    return replace(package, words=words)


def _check_same_keys(words: Mapping[str, LocaleWords]) -> None:
    everything = frozenset[str]().union(*(each.responses.keys for each in words.values()))
    for locale, each in words.items():
        for key in sorted(everything - each.responses.keys):
            raise BrokenManifestError(f"responses/{locale}.yaml", key, "is missing: another locale has it")


def _text(folder: Traversable, file: str) -> str:
    try:
        return folder.joinpath(*file.split("/")).read_text("utf-8")
    except OSError as error:
        raise BrokenManifestError(file, "", "can't be read") from error
    except UnicodeDecodeError as error:
        raise BrokenManifestError(file, "", "is not UTF-8") from error


def _yaml(text: str, file: str) -> Any:
    try:
        return yaml.load(text, Loader=_LOADER)  # noqa: S506 - likewise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        raise BrokenManifestError(file, "", f"is not YAML{where}") from error
