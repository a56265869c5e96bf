"""The *restricted* pod security standard, which namespaces of ours enforce."""

from __future__ import annotations

from collections.abc import Iterator

from support.manifests import Object

# Of the standard: https://kubernetes.io/docs/concepts/security/pod-security-standards/
_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_BASELINE_CAPABILITIES = {"NET_BIND_SERVICE"}
_SECCOMP = {"RuntimeDefault", "Localhost"}


def violations(template: Object) -> Iterator[str]:
    """Yield what the standard, enforced as `restricted`, objects to in a pod template."""
    spec = template["spec"]
    pod = spec.get("securityContext", {})
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield name
    for volume in spec.get("volumes", []):
        if kinds := set(volume) - {"name"} - _VOLUMES:
            yield f"volume {volume['name']}: {kinds}"
    if pod.get("sysctls"):
        yield "sysctls"
    for container in [*spec.get("initContainers", []), *spec["containers"], *spec.get("ephemeralContainers", [])]:
        own = container.get("securityContext", {})
        yield from (f"{container['name']}: {each}" for each in _of_container(own, pod))
        if any("hostPort" in port for port in container.get("ports", [])):
            yield f"{container['name']}: hostPort"


def _of_container(own: Object, pod: Object) -> Iterator[str]:
    if own.get("privileged"):
        yield "privileged"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities are kept"
    if set(capabilities.get("add", [])) - _BASELINE_CAPABILITIES:
        yield "capabilities are added"
    if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot"
    if own.get("runAsUser", pod.get("runAsUser")) == 0:
        yield "runAsUser"
    if own.get("seccompProfile", pod.get("seccompProfile", {})).get("type") not in _SECCOMP:
        yield "seccompProfile"
