"""What the server says of itself: versions, kinds, and so much of OpenAPI that kubectl sees who validates.

kubectl looks whether PATCH of a kind knows the parameter fieldValidation; then it leaves validation to the server.
"""

from __future__ import annotations

from typing import Any

from support.kube.kinds import Kind, Kinds

VERSION = {"major": "1", "minor": "33", "gitVersion": "v1.33.0", "platform": "linux/amd64"}


def find_document(kinds: Kinds, parts: list[str]) -> dict[str, Any] | None:
    """Return what is at the parts of a path; None if it is no document."""
    fixed: dict[str, dict[str, Any]] = {
        "version": VERSION,
        "api": {"kind": "APIVersions", "versions": ["v1"]},
        "apis": kinds.groups(),
        "openapi/v3": {
            "paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in map(_root, kinds.all())}
        },
    }
    found = fixed.get("/".join(parts))
    if found is None and parts[:2] == ["openapi", "v3"]:
        found = _openapi([kind for kind in kinds.all() if _root(kind) == "/".join(parts[2:])])
    elif len(parts) == 2 and parts[0] == "api":
        found = kinds.resources("", parts[1])
    elif len(parts) == 3 and parts[0] == "apis":
        found = kinds.resources(parts[1], parts[2])
    return found


def _root(kind: Kind) -> str:
    return f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"


def _openapi(kinds: list[Kind]) -> dict[str, Any] | None:
    if not kinds:
        return None
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldValidation")]
    paths = {}
    for kind in kinds:
        within = "namespaces/{namespace}/" if kind.namespaced else ""
        said = {"group": kind.group, "version": kind.version, "kind": kind.name}
        patch = {"parameters": parameters, "x-kubernetes-group-version-kind": said, "responses": {}}
        paths[f"/{_root(kind)}/{within}{kind.plural}/{{name}}"] = {"patch": patch}
    info = {"title": "double", "version": VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}
