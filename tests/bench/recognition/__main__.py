"""Recognition with the engine as it is deployed, its rejection included: `make eval-asr`.

    PYTHONPATH=tests .venv/bin/python -m bench.recognition [--half tune] [--clips N] [--every-noise]

    set                         registered                          right is
    coffee commands             the skills and the coffee grammar   intent and every slot, as our NLU reads the n-best
    the same in kitchen noise   the same                            the same
    sentences, wake words       the same                            rejected
    coffee commands             the skills alone                    rejected
    synthesised commands        the skills and the coffee grammar   word for word
    Mandarin recordings         the skills and their own sentences  word for word
    the same, other sentences   the skills alone                    rejected

Recordings are those of the optional data folder; without it only what is synthesised is heard. One half of everything
was tuned on and the other is reported (`halving`). RTF is CPU time, of this process and the decoding ones, by audio
time, of some English clips that are heard at the pace of speech, once as a device without a screen has it and once with
interim results; the rest is heard as fast as it goes. Shares have Wilson's 95 % intervals. Mistakes are printed as they are heard.
Each command is heard in two of the seven levels of noise, which takes some eight minutes of CPU in all; --every-noise takes
three times as long.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import tempfile
import time

from bench.recognition.clips import Recordings, read_recordings
from bench.recognition.evaluating import Evaluation
from bench.recognition.saying import Half
from bench.results import machine, table, write
from earshot_models.directory import installed
from earshot_models.known import CMU_MANDARIN
from support.data import data_folder

FIGURES = (
    "s2i_clean",
    "s2i_noise_mean",
    "false_accept",
    "zh_clips_exact",
    "zh_synth_exact",
    "zh_builtin_synth_exact",
    "en_synth_exact",
)


async def evaluate(half: Half, most: int | None, *, every_noise: bool = False) -> Evaluation:
    """Hear everything that is there."""
    folder = data_folder()
    recordings: Recordings | None = None
    model = installed(CMU_MANDARIN)
    if folder is not None and (folder / "speech" / "manifest.csv").is_file():
        recordings = read_recordings(folder / "speech")
        model = folder / "models" / "zh-CN-tdt" if (folder / "models" / "zh-CN-tdt").is_dir() else model
    else:
        print("no recordings (set EARSHOT_DATA): only synthesised speech is heard")
    if model is None:
        print("no Mandarin model (earshot models add zh-CN): only the built-in fallback hears Mandarin")
    evaluation = Evaluation(half, recordings, most=most, every_noise=every_noise)
    # Models that this machine's user has installed are not part of the product.
    with tempfile.TemporaryDirectory(prefix="earshot-no-models-") as empty:
        os.environ["EARSHOT_MODELS"] = empty
        await evaluation.english()
        await evaluation.mandarin(model)
    return evaluation


def main() -> None:
    """Measure, print, and write build/results/asr.json."""
    parser = argparse.ArgumentParser(prog="bench.recognition")
    parser.add_argument("--half", choices=("report", "tune"), default="report", help="which half of the sets")
    parser.add_argument("--clips", type=int, help="at most so many clips of a set")
    parser.add_argument("--every-noise", action="store_true", help="every command at every level of noise")
    arguments = parser.parse_args()
    began = time.monotonic()
    evaluation = asyncio.run(evaluate(arguments.half, arguments.clips, every_noise=arguments.every_noise))
    took_s = time.monotonic() - began
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = sum(one.ru_utime + one.ru_stime for one in used)
    shares = evaluation.shares
    print(machine())
    rows = [(name, share.hits, share.trials, *_numbers(share.value, *share.interval)) for name, share in shares.items()]
    print(table(("set", "hits", "of", "share", "low", "high"), rows))
    cost, whole = evaluation.cost, evaluation.cost_with_interims
    if cost and whole:
        print(f"rtf {cost.rtf:.3f} over {cost.audio_s:.0f} s, {whole.rtf:.3f} with interim results")
    else:
        print("nothing was heard live")
    figures: dict[str, float | int | None] = {name: shares[name].value if name in shares else None for name in FIGURES}
    figures |= {"rtf": cost.rtf if cost else None, "rtf_with_interims": whole.rtf if whole else None}
    # What was there to be heard, and heard with: without recordings even the rtf is of synthesised speech.
    figures |= {"recordings": int("s2i_clean" in shares), "mandarin_model": int("zh_synth_exact" in shares)}
    figures |= {"took_s": round(took_s), "cpu_s": round(cpu_s)}
    print(f"took {took_s:.0f} s, {cpu_s:.0f} s of CPU")
    for name, share in shares.items():
        figures |= {name: share.value, f"{name}_n": share.trials}
        figures |= dict(zip((f"{name}_low", f"{name}_high"), share.interval, strict=True))
    print(write("asr" if arguments.half == "report" else "asr-tune", figures))


def _numbers(*values: float | None) -> list[str]:
    return ["-" if value is None else f"{value:.3f}" for value in values]


if __name__ == "__main__":
    main()
