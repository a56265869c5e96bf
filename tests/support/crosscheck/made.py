"""What is made beside the overlays, as docs/deploy.md says: by `earshot bus secrets`, and by hand."""

from __future__ import annotations

from typing import Final

from earshot_local.plan import SERVICES
from earshot_topology.policies import ADMIN_NAMESPACE, NAMESPACE, SKILLS_NAMESPACE

Kept = dict[tuple[str, str], set[str]]

MADE: Final[Kept] = {
    ("configMap", "bus-trust"): {"account", "trust.conf"},
    # By the cluster itself, in every namespace.
    ("configMap", "kube-root-ca.crt"): {"ca.crt"},
    ("secret", "bus-ca"): {"ca.crt"},
    ("secret", "bus-operator"): {"user.creds"},
    ("secret", "operator-signing"): {"account", "seed"},
    ("secret", "gateway-tls"): {"tls.crt", "tls.key"},
    ("secret", "skill-music"): {"signing-secret"},
    ("secret", "skill-weather"): {"api-key"},
} | {("secret", f"bus-{service.role}"): {"user.creds"} for service in SERVICES}
# In the administrator's namespace.
MADE_APART: Final[Kept] = {("secret", "bus-admin"): {"user.creds"}, ("secret", "bus-ca"): {"ca.crt"}}
# In that of Skills; credentials are the operator's to make, here for the Skill of a test.
MADE_OF_SKILLS: Final[Kept] = {
    ("secret", "bus-ca"): {"ca.crt"},
    ("secret", "bus-skill-timers"): {"user.creds"},
}
# Not everywhere: whoever reads them does without.
MAY_BE_MISSING: Final = {
    ("configMap", "settings"),
    ("configMap", "settings-otel"),
    ("secret", "bus-ca"),
    ("secret", "skill-weather"),
}
MADE_IN: Final = {NAMESPACE: MADE, ADMIN_NAMESPACE: MADE_APART, SKILLS_NAMESPACE: MADE_OF_SKILLS}
