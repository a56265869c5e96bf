"""Whether a server takes our definition, and what its rules refuse: as an API server looks at both.

The words of the refusals were compared with those of Kubernetes' own validator.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache

import pytest
import yaml

from support.kube.columns import absent_paths
from support.kube.definitions import faults
from support.kube.operating import DEPLOY
from support.kube.rules import VALIDATIONS
from support.kube.schemas import below, breaches, defaulted

SKILL = {"apiVersion": "earshot.dev/v1alpha1", "kind": "Skill", "metadata": {"name": "clock"}}
LEAST = {"image": "clock:1", "locales": ["en-US"]}
# Of each rule of the definition, by its message: specs that keep it, and specs that break it.
RULES = {
    "min may not be greater than max": (
        [{}, {"scale": {}}, {"scale": {"min": 10}}, {"scale": {"max": 2}}, {"scale": {"min": 20, "max": 20}}],
        [{"scale": {"min": 11}}, {"scale": {"max": 1}}, {"scale": {"min": 3, "max": 2}}],
    ),
}
WHERE = "spec.validation.openAPIV3Schema.properties[spec].properties"
ONLY_DEFAULTS_BELOW = "no such key: min evaluating rule: min may not be greater than max"


@cache
def _definition():
    return yaml.safe_load((DEPLOY / "crds" / "skills.yaml").read_text())


def schema_of(definition):
    """Return the schema of a definition's one version."""
    return definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def rules_of(schema) -> Iterator[str]:
    """Yield the message of every rule of a schema."""
    yield from (rule["message"] for rule in schema.get(VALIDATIONS, []))
    for inner, _, _ in below(schema):
        yield from rules_of(inner)


OURS = [path.name for path in (DEPLOY / "crds").glob("*.yaml") if "kind: CustomResourceDefinition" in path.read_text()]


@pytest.mark.parametrize("file", OURS)
def test_a_server_takes_our_definitions(file):
    """Names, structure, defaults as they stand, rules and columns; and no column shows what is never there."""
    definition = yaml.safe_load((DEPLOY / "crds" / file).read_text())
    assert [str(fault) for fault in faults(definition)] == []
    assert absent_paths(definition) == []


def change(path, **words):
    """Return what gives the field at a path of the spec's schema other words."""

    def apply(definition):
        here = schema_of(definition)["properties"]["spec"]
        for part in path.split(".") if path else ():
            here = here["items"] if part == "items" else here["properties"][part]
        here.update(words)

    return apply


def rule(text, **more):
    """Return what gives the scale another rule."""
    return change("scale", **{VALIDATIONS: [{"rule": text, "message": "no", **more}]})


def column(type_, path):
    """Return what adds a column."""

    def apply(definition):
        columns = definition["spec"]["versions"][0]["additionalPrinterColumns"]
        columns[:] = [{"name": "New", "type": type_, "jsonPath": path}]

    return apply


@pytest.mark.parametrize(
    ("spoil", "field", "message"),
    [
        (change("scale", default={}), f"{WHERE}[scale].default", ONLY_DEFAULTS_BELOW),
        (change("scale", default={"min": 3, "max": 2}), f"{WHERE}[scale].default", "min may not be greater than max"),
        (change("scale", default={"min": 1, "max": 2, "mid": 1}), f"{WHERE}[scale].default", "mid"),
        (change("deadline", default="31s"), f"{WHERE}[deadline].default", "31s"),
        (change("scale.min", default="2"), f"{WHERE}[scale].properties[min].default", "integer"),
        (rule("self.mni <= self.max"), f"{WHERE}[scale].{VALIDATIONS}[0].rule", "undefined field 'mni'"),
        (rule("self.min <= "), f"{WHERE}[scale].{VALIDATIONS}[0].rule", "Syntax error"),
        (rule("self.min <= '9'"), f"{WHERE}[scale].{VALIDATIONS}[0].rule", "no matching overload"),
        (rule("self.min"), f"{WHERE}[scale].{VALIDATIONS}[0].rule", "must evaluate to bool"),
        (rule("true", messageExpression="self.min"), f"{WHERE}[scale].{VALIDATIONS}[0].messageExpression", "string"),
        (rule("true", fieldPath=".mni"), f"{WHERE}[scale].{VALIDATIONS}[0].fieldPath", "must be a valid path"),
        (rule("true", reason="Wrong"), f"{WHERE}[scale].{VALIDATIONS}[0].reason", "Wrong"),
        (change("image", anyOf=[{"default": "a"}]), f"{WHERE}[image].anyOf[0].default", "structural"),
        (change("image", anyOf=[{"type": "string"}]), f"{WHERE}[image].anyOf[0].type", "structural"),
        (change("image", type=None), f"{WHERE}[image].type", "Required value"),
        (change("scale", additionalProperties={"type": "string"}), f"{WHERE}[scale].additionalProperties", "exclusive"),
        (change("locales", uniqueItems=True), f"{WHERE}[locales].uniqueItems", "quadratic"),
        (change("secrets.items", required=["name"]), f"{WHERE}[secrets].items.properties[env].default", "list-map-keys"),
        (change("egress", **{"x-kubernetes-list-type": "set"}), f"{WHERE}[egress].items.x-kubernetes-map-type", "atomic"),
        (column("text", ".spec.image"), "spec.additionalPrinterColumns[0].type", "text"),
        (column("string", "spec.image"), "spec.additionalPrinterColumns[0].JSONPath", "spec.image"),
    ],
)  # fmt: skip
def test_what_a_server_would_refuse_is_found(spoil, field, message):
    """Each at its place, and nothing else."""
    definition = copy.deepcopy(_definition())
    spoil(definition)
    schema = schema_of(definition)["properties"]["spec"]["properties"]
    if schema["image"].get("type", "") is None:
        del schema["image"]["type"]
    (found,) = faults(definition)
    assert found.field == field
    assert message in found.message, found


@pytest.mark.parametrize("path", [".status.redy", '.status.conditions[?(@.typ=="Available")].status', ".spec.image.x"])
def test_a_column_without_a_field_is_found(path):
    """A server would take it, and show nothing."""
    definition = copy.deepcopy(_definition())
    column("string", path)(definition)
    assert list(faults(definition)) == []
    assert absent_paths(definition) == [path]


def test_each_rule_says_what_it_is_for():
    """Every rule of the definition is kept by some Skills and broken by others, with the defaults that a server fills in."""
    schema = schema_of(_definition())
    assert set(rules_of(schema)) == set(RULES)
    for message, (right, wrong) in RULES.items():
        for spec in right:
            assert breaches(schema, _filled(schema, spec), None) == [], spec
        for spec in wrong:
            (found,) = breaches(schema, _filled(schema, spec), None)
            assert re.fullmatch(f"spec\\.\\w+: Invalid value: {message}", str(found)), spec


def _filled(schema, spec):
    return defaulted(copy.deepcopy(SKILL | {"spec": LEAST | spec}), schema)


def test_rules_about_a_change_and_about_items():
    """One that speaks of the object before is asked of changes only; one of an item is asked of each, where it is."""
    item = {"type": "object", "properties": {"a": {"type": "integer"}, "x-y": {"type": "integer"}}}
    schema = {
        "type": "object",
        "properties": {
            "size": {"type": "integer", VALIDATIONS: [{"rule": "self >= oldSelf", "message": "it never shrinks"}]},
            "list": {
                "type": "array",
                "items": item | {VALIDATIONS: [{"rule": "self.a < self.x__dash__y", "fieldPath": ".a", "reason": "FieldValueForbidden"}]},
            },
        },
    }  # fmt: skip
    assert breaches(schema, {"size": 1}, None) == []
    assert breaches(schema, {"size": 2}, {"size": 1}) == []
    assert [str(each) for each in breaches(schema, {"size": 1}, {"size": 2})] == [
        "size: Invalid value: 1: it never shrinks"
    ]
    content = {"list": [{"a": 1, "x-y": 2}, {"a": 2, "x-y": 2}, {"a": 3}]}
    assert [str(each) for each in breaches(schema, content, None)] == [
        "list[1].a: Forbidden: failed rule: self.a < self.x__dash__y",
        'list[2]: Invalid value: "object": no such key: x__dash__y evaluating rule: failed rule: self.a < self.x__dash__y',
    ]
