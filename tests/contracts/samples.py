"""Write a sample of every message that has none yet: `python tests/contracts/samples.py`. Old samples stay as they are."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from google.protobuf import json_format

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.contracts import message_classes, saturated

SAMPLES = Path(__file__).parent / "samples"


def main() -> None:
    """Run the command."""
    SAMPLES.mkdir(exist_ok=True)
    for name, message_class in message_classes().items():
        path = SAMPLES / f"{name}.json"
        if not path.exists():
            message = saturated(message_class)
            sample = {
                "bytes": message.SerializeToString(deterministic=True).hex(),
                "json": json_format.MessageToDict(message, preserving_proto_field_name=True),
            }
            path.write_text(json.dumps(sample, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
