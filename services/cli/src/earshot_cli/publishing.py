"""What is left to do in a cluster after keys were replaced here, as lines to copy: the same that docs/runbooks/credentials.md has.

Lines that begin with # say why the next ones come then.
"""

from __future__ import annotations

RELOAD = "earshot credentials reload --url tls://bus.example.com:4222 --ca ca.crt"
# Servers are told.
PUBLISH = ("earshot bus secrets bus-trust | kubectl apply -f -", RELOAD)
_ALL_PODS = (
    "kubectl -n earshot rollout restart deployment",
    "kubectl -n earshot rollout status deployment --timeout=10m",
)


def secrets_of(kind: str) -> tuple[str, ...]:
    """Return the objects that hold users of a kind, "service" or "skill", or what makes them."""
    from earshot_local.cluster_secrets import names  # noqa: PLC0415 - loads cryptography that few commands need
    from earshot_local.plan import SKILLS  # noqa: PLC0415 - likewise

    return names(kind, [skill.skill for skill in SKILLS])


def after_keeping(kind: str) -> tuple[str, ...]:
    """Return what follows a new signing key beside the old one: nobody is out at any time."""
    retire = f"earshot credentials rotate {kind} --retire"
    if kind == "device":
        anew: tuple[str, ...] = (
            "earshot credentials issue device HOUSEHOLD DEVICE   # each of them, in days or months",
        )
    else:
        anew = _made_anew(kind)
    return (
        "# both keys are good, as soon as servers know",
        *PUBLISH,
        "# everybody gets a user of the new one",
        *anew,
        "# nobody is there by the old one any more, or is named",
        RELOAD,
        "# it ends",
        retire,
        *PUBLISH,
    )


def after_replacing(kind: str) -> tuple[str, ...]:
    """Return what follows a new signing key in place of the old one: whoever has an old user is out from the reload on."""
    if kind == "device":
        return (*PUBLISH, "earshot credentials issue device HOUSEHOLD DEVICE   # each of them")
    secrets, *pods = _made_anew(kind)
    return (secrets.replace("secrets ", "secrets bus-trust ", 1), RELOAD, *pods)


AFTER_ANOTHER_OPERATOR = (
    PUBLISH[0],
    "# servers take another operator when they are started, one after the other",
    "kubectl -n earshot rollout restart statefulset/nats",
    "kubectl -n earshot rollout status statefulset/nats --timeout=10m",
    RELOAD,
)


def _made_anew(kind: str) -> tuple[str, ...]:
    secrets = f"earshot bus secrets {' '.join(secrets_of(kind))} | kubectl apply -f -"
    if kind == "service":
        return (secrets, *_ALL_PODS)
    # Pods of skills follow their Secrets; the operator makes those of Skills.
    return (secrets, "kubectl -n earshot rollout restart deployment/operator")
