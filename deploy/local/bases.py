"""Write deploy/base/kustomization.yaml, which lists the folders beside it: python deploy/local/bases.py [--check].

kustomize knows no patterns.
"""

from __future__ import annotations

import sys
from pathlib import Path

_BASE = Path(__file__).resolve().parent.parent / "base"
_LIST = _BASE / "kustomization.yaml"
_HEAD = """\
# Every service and skill. Made by `make bases` from the folders here; not edited by hand.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
"""


def main() -> None:
    """Write or check it.

    Raises:
        SystemExit: With --check: a folder is not listed, or one that is gone is.
    """
    text = _HEAD + "".join(f"  - {path.parent.name}\n" for path in sorted(_BASE.glob("*/kustomization.yaml")))
    if "--check" not in sys.argv[1:]:
        _LIST.write_text(text)
    elif not _LIST.exists() or _LIST.read_text() != text:
        raise SystemExit("deploy/base/kustomization.yaml does not list its folders; run: make bases")


if __name__ == "__main__":
    main()
