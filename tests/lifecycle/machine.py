"""The rules: who goes on, who dies, what is delivered late or twice; and what must hold whatever happens."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from earshot_audio import Encoding, Format
from earshot_device.core.ids import OutcomeId
from earshot_device.core.outcome import OutcomeKind, SpeechFrame
from earshot_device.core.speech_buffer import Added
from earshot_device.core.turn import Phase, Verdict
from lifecycle.world import (
    FRAMES_A_SEGMENT,
    MOST_WRITERS,
    OTHERS,
    SEGMENTS,
    How,
    Ledger,
    Listening,
    Who,
    Writer,
    answering,
    expiring,
)

SILENT = {OutcomeKind.CANCELLED, OutcomeKind.REJECTED}
FORMAT = Format(encoding=Encoding.LINEAR16, sample_rate_hertz=16_000)


class TurnMachine(RuleBasedStateMachine):
    """A turn among redeliveries, deadlines, takeovers, zombies and late duplicates."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.device = Listening()
        self.writers: list[Writer] = []
        self.history: list[bytes] = []
        self.deliveries = 0
        self.speakers: dict[tuple[int, int], int] = {}
        self.accepted: dict[tuple[int, int], int] = {}
        self.bound: OutcomeId | None = None
        self.finals: list[int] = []

    # Writers of outcomes.

    @rule(fails_after=st.sampled_from([None, None, 0, 1, 2]))
    def dialogue_is_delivered_the_turn(self, fails_after: int | None) -> None:
        """First delivery, redelivery after a death, or a second owner while the first is frozen."""
        if len(self.writers) < MOST_WRITERS:
            self.deliveries += 1
            work = answering(self.ledger, SEGMENTS, fails_after)
            self.writers.append(Writer(f"dialogue {self.deliveries}", work).start())

    @rule()
    def the_deadline_is_due(self) -> None:
        """Also while an answer is being given, and again after its reader died."""
        if len(self.writers) < MOST_WRITERS:
            self.deliveries += 1
            self.writers.append(Writer(f"deadline {self.deliveries}", expiring(self.ledger, self.deliveries)).start())

    @rule(who=st.sampled_from(list(OTHERS)))
    def somebody_else_decides(self, who: Who) -> None:
        """Each any number of times; the device's decision, only where it has taken one."""
        if len(self.writers) < MOST_WRITERS and (who is not Who.DEVICE or self.device.apologised):
            self.deliveries += 1
            self.writers.append(Writer(f"{who} {self.deliveries}", OTHERS[who](self.ledger, self.deliveries)).start())

    @precondition(lambda self: any(writer.waiting for writer in self.writers))
    @rule(data=st.data(), how=st.sampled_from([How.THROUGH, How.THROUGH, How.THROUGH, How.LOST, How.ABSENT]))
    def a_writer_goes_on(self, data: st.DataObject, how: How) -> None:
        """One operation on the ledger; a writer that is not chosen is frozen, and may wake much later."""
        self._chosen(data).go_on(how)

    @precondition(lambda self: any(writer.waiting for writer in self.writers))
    @rule(data=st.data())
    def a_writer_dies(self, data: st.DataObject) -> None:
        """SIGKILL."""
        self._chosen(data).die()

    def _chosen(self, data: st.DataObject) -> Writer:
        waiting = [writer for writer in self.writers if writer.waiting]
        return waiting[data.draw(st.integers(0, len(waiting) - 1))]

    # The device.

    @precondition(lambda self: self.ledger.stored)
    @rule(data=st.data())
    def a_segment_reaches_the_device(self, data: st.DataObject) -> None:
        """Any that stands, in any order, any number of times."""
        recorded = self.ledger.stored[data.draw(st.integers(0, len(self.ledger.stored) - 1))]
        closed = self.device.turn.phase is Phase.CLOSED
        verdict = self.device.told(recorded)
        assert not (closed and verdict is Verdict.ACCEPTED)
        if self.bound is None:
            self.bound = self.device.turn.outcome_id

    @rule(epoch=st.integers(1, 4), final=st.booleans())
    def a_recogniser_speaks(self, epoch: int, *, final: bool) -> None:
        """An owner, or one that was replaced and does not know it."""
        highest = self.device.turn.epoch
        verdict = self.device.recognised(epoch, final=final)
        if epoch < highest:
            assert verdict is Verdict.STALE
        elif final and verdict is Verdict.ACCEPTED:
            self.finals.append(epoch)

    @rule(seconds=st.sampled_from([0.5, 3.0, 9.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        """On the device's own clock."""
        self.device.wait(seconds)

    # Speech.

    @precondition(lambda self: self.ledger.stored)
    @rule(
        segment=st.sampled_from([0, 0, *range(SEGMENTS)]),
        epoch=st.integers(1, 3),
        foreign=st.sampled_from([False, False, False, True]),
        data=st.data(),
    )
    def a_frame_is_spoken(self, segment: int, epoch: int, *, foreign: bool, data: st.DataObject) -> None:
        """By any delivery of any segment that stands: lost, repeated, reordered, or from a zombie.

        Epochs are a segment's own. A worker of a higher one resumes where the capture ends or before, so it begins at a
        place of its own in the segment; what it has not replaced, and is missing, is never refused.
        """
        outcome_id = OutcomeId(self.ledger.stored[0].outcome.outcome_id)
        first, last = FRAMES_A_SEGMENT * segment, FRAMES_A_SEGMENT * (segment + 1) - 1
        if (segment, epoch) not in self.speakers:
            self.speakers[segment, epoch] = data.draw(st.integers(first, last)) if epoch > 1 else first
        begin = self.speakers[segment, epoch]
        # Often the one that is to be played next: what is wrong with it is heard.
        played = len(self.device.heard)
        near = [played] if begin <= played <= last else []
        sequence = data.draw(st.one_of(*map(st.just, near * 2), st.integers(begin, last)))
        verdict = self.device.frame(
            SpeechFrame(
                turn_id=self.device.turn.turn_id,
                outcome_id=OutcomeId("another") if foreign else outcome_id,
                segment_index=segment,
                sequence=sequence,
                owner_epoch=epoch,
                payload=b"\0\0",
                format=FORMAT,
                duration_s=0.02,
                segment_last=sequence == last,
                last=sequence == FRAMES_A_SEGMENT * SEGMENTS - 1,
            )
        )
        taken_over = any(
            part == segment and later > epoch and begin <= sequence for (part, later), begin in self.accepted.items()
        )
        if verdict is Added.NEW:
            assert not foreign, "of an outcome that the turn is not bound to"
            assert not taken_over, "from a worker that was replaced there"
            self.accepted[segment, epoch] = min(sequence, self.accepted.get((segment, epoch), sequence))
        elif verdict is Added.STALE:
            assert taken_over, "nobody has replaced its worker"

    @rule()
    def the_loudspeaker_plays(self) -> None:
        """The next frame, if it is there."""
        self.device.play()

    # What must hold.

    @invariant()
    def one_outcome_stands(self) -> None:
        """One id, one kind, one final segment at the end; indices and expected sequences without a gap."""
        stored = self.ledger.stored
        assert len({recorded.outcome.outcome_id for recorded in stored}) <= 1
        assert len({recorded.outcome.kind for recorded in stored}) <= 1
        assert [recorded.outcome.segment_index for recorded in stored] == list(range(len(stored)))
        assert [recorded.outcome.expected_sequence for recorded in stored] == [
            0,
            *(recorded.sequence for recorded in stored[:-1]),
        ][: len(stored)]
        assert not any(recorded.outcome.final for recorded in stored[:-1])

    @invariant()
    def what_stands_never_changes(self) -> None:
        """A decided turn stays decided."""
        now = [recorded.outcome.SerializeToString(deterministic=True) for recorded in self.ledger.stored]
        assert now[: len(self.history)] == self.history
        self.history = now

    @invariant()
    def an_answer_is_not_said_twice(self) -> None:
        """Words of the skill's answer stand at most once each, in order."""
        parts = [
            prompt.text
            for recorded in self.ledger.stored
            for prompt in recorded.outcome.prompts
            if prompt.text.startswith("Part ")
        ]
        assert parts == sorted(set(parts))

    @invariant()
    def the_device_is_bound_to_one_outcome(self) -> None:
        """The first one, for ever; an abandoned turn takes none, and never are two sounds heard."""
        turn = self.device.turn
        if self.bound is not None:
            assert turn.outcome_id == self.bound
        assert {segment.outcome_id for segment in turn.segments} <= {turn.outcome_id}
        if self.device.apologised:
            assert not self.device.answered
            assert not self.device.heard

    @invariant()
    def sound_is_whole(self) -> None:
        """Frames leave the loudspeaker once each, in order, of the one outcome."""
        assert [sequence for _, sequence, _ in self.device.heard] == list(range(len(self.device.heard)))
        assert {outcome_id for outcome_id, _, _ in self.device.heard} <= {self.bound}

    def teardown(self) -> None:
        """When all faults end: whoever is left goes on, and the turn has its outcome or the device's own apology."""
        for writer in (*self.writers, Writer("deadline at the end", expiring(self.ledger, 1)).start()):
            for _ in range(50):
                if writer.waiting is None:
                    break
                writer.go_on(How.THROUGH)
            assert writer.waiting is None, f"{writer.name} never ends"
        self.one_outcome_stands()
        self.an_answer_is_not_said_twice()
        assert self.ledger.stored[-1].outcome.final
        for recorded in self.ledger.stored:
            self.device.told(recorded)
        if self.bound is None:
            self.bound = self.device.turn.outcome_id
        self.the_device_is_bound_to_one_outcome()
        silenced = any(segment.kind in SILENT for segment in self.device.turn.segments)
        assert [self.device.apologised, self.device.answered, silenced].count(True) == 1
        assert self.device.apologised or self.device.turn.complete


Machine: Any = TurnMachine.TestCase
