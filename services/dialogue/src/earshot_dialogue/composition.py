"""Puts the dialogue together from its settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

from earshot.device.v1 import upstream_pb2
from earshot.dialogue.v1 import assistant_pb2_grpc, outcome_pb2
from earshot.nlu.v1 import interpreter_pb2
from earshot_chassis.bus import Bus
from earshot_chassis.rpc_client import connect
from earshot_chassis.scheduling import DuePurger
from earshot_chassis.service import Service
from earshot_dialogue import announcements, missed, recall
from earshot_dialogue.allowance import Allowance
from earshot_dialogue.claims.decided import DecidedTurns
from earshot_dialogue.claims.ledger import OutcomeLedger
from earshot_dialogue.converse import Conversation
from earshot_dialogue.deadlines import DeadlineReader
from earshot_dialogue.deviceevents import DeviceEvents
from earshot_dialogue.fulfilment import Fulfilment
from earshot_dialogue.languages import Languages
from earshot_dialogue.listening import OutcomeListener
from earshot_dialogue.performing import Performer
from earshot_dialogue.servicer import AssistantServicer
from earshot_dialogue.sessions import SessionStore
from earshot_dialogue.settings import DialogueSettings
from earshot_dialogue.shadows import DeviceShadows
from earshot_dialogue.skills.caller import SkillCaller
from earshot_dialogue.skills.channels import SkillChannels
from earshot_dialogue.skills.registered import CatalogueBuilder
from earshot_dialogue.starts import UtteranceStarts
from earshot_dialogue.turns import TurnDecider
from earshot_registry import RegistrySnapshot, SkillRegistry
from earshot_topology.streams import DIALOGUE_DEADLINE, DIALOGUE_EVENTS, DIALOGUE_INTERPRETED, DIALOGUE_STARTED
from earshot_topology.tenancy import household_of


class Dialogue:
    """One replica's parts, on a connected bus.

    Attributes:
        purger: Purges deadlines that were read.
        servicer: The gRPC face.
    """

    def __init__(self, bus: Bus, settings: DialogueSettings) -> None:
        ledger, languages, decided = OutcomeLedger(bus), Languages.load(), DecidedTurns()
        listen = timedelta(seconds=settings.listen_s)
        answer_within = timedelta(seconds=settings.answer_within_s)
        grace = timedelta(seconds=settings.converse_grace_s)
        self._bus = bus
        self._settings = settings
        self._shadows = DeviceShadows(bus)
        self._channels = SkillChannels(connect)
        self._caller = SkillCaller(self._channels)
        self._builder = CatalogueBuilder()
        fulfilment = Fulfilment(bus, self._caller, maximum_asks=settings.maximum_asks, listen=listen)
        self._decider = TurnDecider(
            ledger=ledger,
            sessions=SessionStore(bus, ledger),
            performer=Performer(bus, ledger, self._shadows, fulfilment, listen=listen),
            languages=languages,
            decided=decided,
            limits=settings.limits(),
            idle=timedelta(seconds=settings.session_idle_s),
            answer_within=answer_within,
        )
        self._starts = UtteranceStarts(bus, settings.speech_deadline())
        self._events = DeviceEvents(bus, ledger, self._shadows)
        self._recall = recall.OutcomeRecall(bus, ledger)
        self._missed = missed.MissedDirectives(bus)
        self._announcements = announcements.Announcements(
            ledger, languages, Allowance(settings.announcements_per_minute)
        )
        self._deadlines = DeadlineReader(ledger, languages, decided)
        self.purger = DuePurger(bus, DIALOGUE_DEADLINE)
        self._listener = OutcomeListener(bus)
        conversation = Conversation(bus, ledger, self._listener, answer_within=answer_within, grace=grace)
        self.servicer = AssistantServicer(conversation, languages)

    async def start(self) -> None:
        """Register everything that is consumed, before the bus starts."""
        self._bus.park_for(household_of)
        turns, events = self._settings.turns, self._settings.events
        self._bus.handler(
            DIALOGUE_INTERPRETED, interpreter_pb2.TurnInterpreted, self._decider.interpreted, concurrency=turns
        )
        # Most deadlines are obsolete when they are due: the raw path costs half as much, and leaves no span of those.
        self._bus.worker(
            DIALOGUE_DEADLINE,
            outcome_pb2.TurnDeadline,
            self._deadlines.due,
            concurrency=events,
            obsolete=self._deadlines.obsolete,
        )
        self._bus.worker(DIALOGUE_STARTED, upstream_pb2.UtteranceStarted, self._starts.started, concurrency=events)
        self._bus.worker(
            DIALOGUE_EVENTS,
            upstream_pb2.DeviceEvent,
            self._events.happened,
            concurrency=events,
            on_parked=self._events.parked,
            obsolete=self._events.needs_nothing,
        )
        await self._bus.responder(
            recall.SUBJECT, upstream_pb2.OutcomeStatusRequest, self._recall.status, queue=recall.QUEUE
        )
        await self._bus.responder(
            missed.SUBJECT, upstream_pb2.DirectivesRequest, self._missed.resend, queue=missed.QUEUE
        )
        await self._bus.responder(
            announcements.SUBJECT,
            upstream_pb2.AnnouncementRequest,
            self._announcements.announce,
            queue=announcements.QUEUE,
        )
        await self._shadows.start()

    async def follow(self, snapshot: RegistrySnapshot) -> None:
        """Take note of what the running skills can do."""
        catalogue = self._builder.build(snapshot)
        # New replicas are connected to before they are called.
        self._channels.follow(catalogue)
        self._decider.catalogue = catalogue

    async def stop(self) -> None:
        """Let go of the skills, when no turn is in progress any more."""
        self._listener.close()
        await self._caller.close()
        await self._channels.close()


def composition(settings: DialogueSettings) -> Callable[[Service], Awaitable[None]]:
    """Return what registers the dialogue with a service."""

    async def compose(service: Service) -> None:
        dialogue, registry = Dialogue(service.bus, settings), SkillRegistry(service.bus)
        registry.on_change(dialogue.follow)
        service.grpc.add(
            assistant_pb2_grpc.add_AssistantServicer_to_server, dialogue.servicer, "earshot.dialogue.v1.Assistant"
        )
        service.on_start(registry.start)
        service.on_start(dialogue.start)
        service.on_stop(registry.stop)
        service.on_stop(dialogue.stop)
        service.add_task("purge", dialogue.purger.keep_purging)

    return compose
