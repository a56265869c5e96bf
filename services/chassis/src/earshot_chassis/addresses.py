"""Hosts and ports as one word: an IPv6 address stands in brackets, or its end would pass for a port."""

from __future__ import annotations

import ipaddress

EVERY = frozenset({"0.0.0.0", "::", ""})


def joined(host: str, port: int) -> str:
    """Return a host with a port: "10.0.0.1:50051", "[fd00::1]:50051"."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def bracketed(target: str) -> str:
    """Return a target of host and port with brackets where they are missing: a pod is told "$(POD_IP):50051", whatever its IP is."""
    host, colon, port = target.rpartition(":")
    try:
        is_bare = bool(colon) and port.isdigit() and ipaddress.ip_address(host).version == 6
    except ValueError:
        is_bare = False
    return joined(host, int(port)) if is_bare else target
