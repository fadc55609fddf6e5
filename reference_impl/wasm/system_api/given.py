"""What an execution is given beside the state."""

from typing import Final

from attrs import define

from reference_impl.wasm.layout.system_functions import Context
from spec.canister.environment import Caller, Environment
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, MethodName
from spec.values.quantities import ByteCount, Count, Cycles, Instructions, Nanoseconds
from spec.values.rejects import Reject

SYSTEM: Final = Caller(MANAGEMENT_CANISTER)


@define(eq=False)
class Given:
    """What an execution is given beside the state. Source: abstract-behavior, the execution state (`Params`)."""

    context: Context
    environment: Environment
    limit: Instructions
    argument: Blob = b""
    caller: Caller = SYSTEM
    reject: Reject | None = None
    method_name: MethodName = ""
    deadline: Nanoseconds | None = None
    available: Cycles = 0
    refunded: Cycles = 0
    needs_to_respond: bool = True
    growths_before: Count = 0
    """How often the callback tried to grow a memory, after whose trap a cleanup runs."""
    tells_growths: bool = False
    """Each growth that is tried is told in the outcome."""

    host_performs: bool = False
    """The host decides about each call that is to be performed."""

    @property
    def asks_for_growths(self) -> bool:
        """The host is asked for each growth of a memory: the system may refuse it, or it is to be told."""
        environment = self.environment
        return self.tells_growths or bool(environment.refused_growths or environment.trapping_growths)

    @property
    def one_slice(self) -> Instructions:
        """How many instructions a slice holds. All of them, where a single node executes."""
        limit, context = self.limit, self.context
        if context.is_replicated:
            rounds = self.environment.profile.rounds
            limit = min(limit, rounds.install_slice_instructions if context.installs else rounds.slice_instructions)
        return max(1, limit)

    @property
    def largest_response(self) -> ByteCount:
        """How many bytes a reply or a reject message may have."""
        limits = self.environment.profile.limits
        return limits.inter_canister_payload if self.context.is_replicated else limits.non_replicated_reply
