"""What sherpa-onnx costs besides its network: `PYTHONPATH=tests python -m bench.sherpa`.

The network is the tests' own of some kilobytes, so what is measured is features, search, pipes and the service's side. With
`EARSHOT_ASR_SHERPA_MODEL` a real model's directory is measured as a whole; what it hears of tones is of no account.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from earshot_asr.engines.base import Locale, Vocabulary
from earshot_asr.engines.factory import create_engine
from earshot_asr.engines.settings import EngineSettings
from earshot_asr.engines.sherpa.engine import SherpaEngine
from support.engines import MANDARIN, recognise
from support.transducer import make_model, tones

_UTTERANCES, _TOGETHER = 64, 8
_PCM = tones("开", "等", "早", "1.0", "▁TURN", "▁ON", after=1.0)
_NAMES = 500
_HOT = "language: zh\nintents:\n  open: {data: [{sentences: ['<open>{what}']}]}\nexpansion_rules: {open: 开}\nlists: {what: {values: [%s]}}\n"


async def _heard(engine: SherpaEngine, locale: Locale, at_once: int) -> None:
    for _ in range(_UTTERANCES // at_once):
        await asyncio.gather(*(recognise(engine, _PCM, locale) for _ in range(at_once)))


async def _opened(engine: SherpaEngine, locale: Locale) -> float:
    """Return the seconds that it takes an utterance without sound to begin and end."""
    taken = []
    for _ in range(20):
        began = time.perf_counter()
        await recognise(engine, b"", locale)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


async def main() -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(os.environ.get("EARSHOT_ASR_SHERPA_MODEL") or make_model(Path(folder) / "tones"))
        engine = create_engine(EngineSettings(engine="sherpa", sherpa_model=model, workers=1))
        if not isinstance(engine, SherpaEngine):
            raise TypeError
        await engine.start()
        try:
            locale = MANDARIN if MANDARIN in engine.capabilities.locales else min(engine.capabilities.locales)
            seconds = len(_PCM) / 32_000 * _UTTERANCES
            (pid,) = engine.worker_pids
            worker, own = psutil.Process(pid), psutil.Process()
            for at_once in (1, _TOGETHER):
                before = sum(worker.cpu_times()[:2]), sum(own.cpu_times()[:2])
                await _heard(engine, locale, at_once)
                used = [
                    (sum(process.cpu_times()[:2]) - was) / seconds
                    for process, was in zip((worker, own), before, strict=True)
                ]
                print(
                    f"{at_once} at once: {used[0]:.4f} CPU s a second of audio in the process, {used[1]:.4f} in the service"
                )
            print(f"memory of the process: {worker.memory_info().rss >> 20} MB")
            without = await _opened(engine, locale)
            # Of characters that the model has.
            names = [f"{'开灯等早晚'[n % 5]}{'开灯等早晚'[n // 5 % 5]}" * (n // 25 + 1) for n in range(_NAMES)]
            await engine.set_vocabulary(Vocabulary(revision=1, locales={locale: (_HOT % ", ".join(names),)}))
            with_names = await _opened(engine, locale)
            print(f"{_NAMES} hot words: an utterance begins {1000 * (with_names - without):.1f} ms later")
        finally:
            await engine.stop()


if __name__ == "__main__":
    asyncio.run(main())
