"""How weights of evidence are learned: nothing is judged by what was learned from it, and nothing stale is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from bench.recognition.fitting import Row, choose, cross_validated, falsely, fit, kept, sureness
from bench.recognition.heard import Heard, origin
from earshot_asr.engines.pocketsphinx.acoustic import english
from earshot_asr.engines.pocketsphinx.bundles import BundleStore
from earshot_asr.engines.pocketsphinx.decoders import Decoders
from earshot_asr.engines.pocketsphinx.evidence import Evidence
from support.engines import documents, spoken

MIDDLING = Evidence(
    acoustic=-4.0, worst=-6.0, posterior=-1.0, least=-2.0, agreement=0.5, language=-3.0, oddest=-5.0, whole=0.5
).values()


def _rows() -> list[Row]:
    """Sixty rows in which the acoustic evidence tells right from wrong, the `worst` the other way round, and nothing else anything."""
    return [
        Row(
            kind="clean" if number % 2 else "other",
            group=f"talker {number // 4}",
            said="",
            right=bool(number % 2),
            evidence=MIDDLING | {"acoustic": -5.0 + 2 * (number % 2), "worst": -6.0 - number % 2},
        )
        for number in range(60)
    ]


def test_only_what_tells_right_from_wrong_has_a_weight() -> None:
    """More of a good thing never counts against a reading, and what is always the same counts for nothing."""
    rows = _rows()
    weights = fit(rows)
    assert weights["acoustic"] > 1
    assert {weights[name] for name in MIDDLING if name != "acoustic"} == {0}
    sure = sureness(rows, weights)
    assert all(
        (value > 0.9) is row.right and (value < 0.1) is not row.right for row, value in zip(rows, sure, strict=True)
    )


def test_nothing_is_judged_by_what_was_learned_from_its_group() -> None:
    """Every row is judged once, and its talker's rows were not learned from then."""
    rows = _rows()
    learned: list[set[str]] = []

    def learn(others: Sequence[Row]) -> dict[str, float]:
        learned.append({row.group for row in others})
        return {"offset": float(len(learned))}

    sure = cross_validated(rows, learn)
    by_turn = {value: turn for turn, value in enumerate(sorted(set(sure)))}
    assert len(by_turn) == len(learned) > 1
    assert all(row.group not in learned[by_turn[value]] for row, value in zip(rows, sure, strict=True))


def test_the_limit_lets_through_at_most_one_in_twenty() -> None:
    """Of the limits that do, it is the highest that costs at most one right reading in a hundred."""
    rows = _rows()
    sure = [0.62 if row.right else 0.38 if place < 4 else 0.12 for place, row in enumerate(rows)]
    limit = choose(rows, sure)
    assert limit == 0.6
    assert falsely(rows, sure, limit) == 0
    assert kept(rows, sure, limit) == 1
    assert choose(rows, [0.0 if place == 1 else value for place, value in enumerate(sure)]) == 0.6
    assert choose(rows, [0.97] * len(rows)) == 0.95


async def test_what_was_heard_is_remembered_until_anything_changes(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same utterance is not searched again with the same files and settings; with others it is."""
    bundle = await BundleStore(cache).get(english(), documents("en-US"))
    decoders = Decoders(bundle.order)
    searched: list[int] = []
    search = decoders.decode_whole
    monkeypatch.setattr(decoders, "decode_whole", lambda pcm: (searched.append(len(pcm)), search(pcm))[1])
    pcm = spoken("play some jazz", "en-US")
    first = Heard(decoders, tmp_path / "heard").readings(pcm)
    assert Heard(decoders, tmp_path / "heard").readings(pcm) == first
    assert len(searched) == 1
    Heard(decoders, tmp_path / "heard").readings(pcm[:-640])
    assert len(searched) == 2
    before = origin(bundle.order)
    assert origin(replace(bundle.order, key="another", calibration={"offset": 1.0})) == before
    assert origin(replace(bundle.order, search={"lw": 7.0})) != before
    copy = copytree(Path(bundle.order.model).parent, tmp_path / "bundle")
    dictionary = copy / Path(bundle.order.dictionary).name
    moved = replace(bundle.order, dictionary=str(dictionary))
    assert origin(moved) == before
    dictionary.write_text("a AH\n")
    assert origin(moved) != before
