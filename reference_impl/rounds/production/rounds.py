"""The round of production as a whole. Source: facts on the round."""

import hashlib
from collections import Counter

from reference_impl.management.outside_calls import QUESTIONS
from reference_impl.rounds.foresight import Foresight
from reference_impl.rounds.production import beginning, ending, letters, priorities
from reference_impl.rounds.production.blocks import Block, RoundDone
from reference_impl.rounds.production.conductor import Conductor, Notes, Place, Traffic
from reference_impl.rounds.production.iterations import Loop
from reference_impl.rounds.production.mailing import deliver
from reference_impl.rounds.production.management import go_on_with_installation
from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.state.label import Label
from spec.state.request import Rejected, Replied
from spec.values.identifiers import Blob
from spec.values.quantities import Count

OUTSIDE = frozenset((*QUESTIONS, "outside_call_failure"))
"""The transitions of the outside world: an answer to each method, of the same name, and a failure."""


class ProductionRounds:
    """
    Drives an instance from block to block as production does.

    The instance must be one in which nothing is under way; from then on nothing but rounds may change it.
    """

    def __init__(self, instance: SubnetInstance, threads: Count = 1) -> None:
        """
        With several threads canisters execute at the same time; what rounds do is the same with any number.

        Raises `ValueError` if messages or requests are under way.
        """
        if not instance.messages.is_empty or instance.ingress.received():
            raise ValueError("rounds begin with an instance in which nothing is under way")
        self._conductor = Conductor(instance)
        self._conductor.answered = {
            request_id: instance.system_time
            for request_id, known in instance.ingress.items()
            if isinstance(known.status, Replied | Rejected)
        }
        self._conductor.forget_gone()
        if threads > 1:
            instance.foresight = self._conductor.foresight = Foresight(threads)

    @property
    def traffic(self) -> Traffic:
        """What went between this subnet and others in the latest round."""
        return self._conductor.traffic

    def execute(self, block: Block) -> RoundDone:
        """One round. Raises `ValueError` for an answer that is no transition of the outside world."""
        conductor = self._conductor
        conductor.number += 1
        conductor.notes = Notes()
        conductor.reached = Counter()
        conductor.traffic = Traffic()
        conductor.instance.recorder.take_steps()
        conductor.forget_gone()
        self._begin(block)
        self._answer_from_outside(block.answers)
        loop = Loop.of_round(conductor, priorities.Ranking([], [], 0))
        if ending.may_execute(conductor):
            self._give_randomness(block.randomness)
            go_on_with_installation(conductor)
            loop.ranking = priorities.ranking(conductor)
            loop.run()
            ending.finish(conductor)
        ending.checkpoint(conductor)
        letters.send(conductor)
        conductor.forget_gone()
        return self._done(loop)

    def _begin(self, block: Block) -> None:
        conductor = self._conductor
        beginning.set_clocks(conductor, block.time)
        if block.subnet_admins is not None:
            beginning.set_admins(conductor, block.subnet_admins)
        beginning.time_out(conductor)
        deliver(conductor, Place.AT_ITS_MAKER, Place.IN_A_STREAM)
        letters.take_in(conductor, block.deliveries)
        beginning.induct(conductor, block.requests)
        beginning.reject_expired_requests(conductor)
        priorities.reset(conductor)

    def _answer_from_outside(self, answers: tuple[Label, ...]) -> None:
        conductor = self._conductor
        for label in answers:
            if label.rule not in OUTSIDE:
                raise ValueError(f"the outside world does not answer with {label.rule}")
            if conductor.take(label.rule, **label.arguments()):
                conductor.follow()

    def _give_randomness(self, randomness: Blob) -> None:
        """Calls for randomness of the round before are answered, each with bytes of its own."""
        conductor = self._conductor
        waiting, conductor.postponed = conductor.postponed, []
        for number, message_id in enumerate(waiting):
            conductor.held.discard(message_id)
            seed = hashlib.sha256(randomness + number.to_bytes(8, "big")).digest()
            if conductor.take("raw_rand", message_id=message_id, randomness=seed):
                conductor.follow()

    def _done(self, loop: Loop) -> RoundDone:
        conductor = self._conductor
        return RoundDone(
            number=conductor.number,
            steps=tuple(conductor.instance.recorder.take_steps()),
            cores=tuple(loop.executed),
            iterations=loop.iterations,
            management_instructions=conductor.notes.management_instructions,
            slices=tuple(conductor.notes.slices),
            reached=+conductor.reached,
        )
