"""A device as a process of its own, which can be a build with other contracts: python -m builds.talker <settings as JSON>.

It holds one dialogue, and says on one line what became of its turns.
"""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import islice

from chaos.checker import judge
from chaos.lines import words
from chaos.phases import Board
from chaos.sounding import RATE
from chaos.speaking import Speaker
from earshot_device import DeviceSettings
from rolling.dialogues import TURNS, dialogues


async def main(given: dict[str, str]) -> None:
    """Hold the dialogue."""
    settings = DeviceSettings(
        **given,  # type: ignore[arg-type]
        playback_rate=RATE,
        pre_roll_s=0.0,
        noise_floor_dbfs=None,
        trailing_silence_s=0.0,
        capture_speed=2.0,
        playback_speed=4.0,
    )
    one = Speaker(settings, Board(), islice(dialogues(settings.device_id, settings.locale), TURNS))
    await one.converse(asyncio.Event(), 1.0)
    judgement = judge(one.turns, [], [], words())
    told = {
        "verdicts": [verdict.value for verdict in judgement.verdicts],
        "offences": [str(each) for each in judgement.offences],
    }
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
