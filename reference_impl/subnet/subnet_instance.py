"""Everything that the engine holds, and the questions that several of its parts ask."""

from collections import Counter
from collections.abc import Callable, Mapping
from threading import get_ident
from typing import Any, Protocol

from reference_impl.environments.kept_environment import KeptEnvironment
from reference_impl.subnet.call_contexts import CallContexts
from reference_impl.subnet.canister_record import (
    CanisterRecord,
    InstalledCode,
    InstalledModule,
    SharedClock,
    Standing,
    empty_canister,
)
from reference_impl.subnet.ingress_history import IngressHistory
from reference_impl.subnet.ledger import Ledger, liquid_balance
from reference_impl.subnet.message_memory import is_guaranteed
from reference_impl.subnet.network import Network, number_of, numbered_id
from reference_impl.subnet.observations import Purpose, Recorder
from reference_impl.subnet.outside_world import DeterministicWorld, OutsideWorld
from reference_impl.subnet.queues import MessageQueues
from reference_impl.subnet.streams import Correspondence
from spec.canister.module import CanisterModule, MalformedModule
from spec.canister.outcome import Outcome
from spec.canister.wasm_state import WasmState
from spec.profile import Profile
from spec.state.canister import Canister, CanisterStatus, HookStatus, Settings, Stopping, Subnet, simple_status
from spec.state.message import CallMessage
from spec.state.origin import FromUser
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, Principal, SnapshotId, SubnetId, Text
from spec.values.quantities import MAXIMUM_CYCLES, ByteCount, CanisterVersion, Count, Cycles, Instructions, Nanoseconds

Loader = Callable[[Blob, Profile], CanisterModule | MalformedModule]
"""Turns the bytes of a module into the module."""


class Committing(Protocol):
    """Keeps the state that was committed last, beside the one that changes."""

    def commit(self) -> "SubnetInstance":
        """The state as it is now, which stays so."""
        ...


class Running(Protocol):
    """Runs functions that are pending."""

    def run(self, function: Any, environment: KeptEnvironment) -> Outcome:
        """What a function, which is one that is pending, gives in an environment."""
        ...


class SubnetInstance:
    """
    A subnet with its canisters, messages, call contexts and requests. Everything in it is changed in place.

    Canisters of other subnets may be there from the beginning. They run like the others, at their own subnets' prices.
    """

    def __init__(
        self,
        profile: Profile,
        subnet: Subnet,
        system_time: Nanoseconds,
        network: Network,
        *,
        loader: Loader,
        subnet_admins: dict[SubnetId, List[Principal]] | None = None,
        world: OutsideWorld | None = None,
        canisters: Mapping[CanisterId, Canister] | None = None,
        explains: bool = True,
        tells_newer_fields: bool = False,
    ) -> None:
        self.profile = profile
        self.tells_newer_fields = tells_newer_fields
        """Results of the management canister have fields of later versions of the interface too."""
        self.world: OutsideWorld = DeterministicWorld() if world is None else world
        self.subnet = subnet
        self.system_time = system_time
        self.started_at = system_time
        self.network = network
        self.root_key = network.root_key
        self.subnet_admins = dict(subnet_admins or {})
        self.ledger = Ledger(profile, subnet.subnet_size)
        """The prices of the subnet on which canisters are created."""
        self.canisters: dict[CanisterId, CanisterRecord] = {}
        self.deleted_canisters: dict[CanisterId, None] = {}
        """Ids that may not be used again, in the order of deletion."""
        self.written: dict[CanisterId, None] = {}
        """The canisters whose memories may have changed since somebody who follows them looked."""
        self.to_certify: dict[CanisterId, None] = {}
        """The canisters of which something that is certified may have changed since the state tree was last made."""
        self.to_keep: dict[CanisterId, None] = {}
        """
        The canisters of which anything but the shared clock may have changed since somebody who keeps them looked.

        Those that came since then are in the order in which they came.
        """
        self.canisters_on: Counter[SubnetId] = Counter()
        """How many canisters each subnet has."""
        self.stopping: dict[CanisterId, None] = {}
        """The canisters that are stopping."""
        self.clock = SharedClock()
        """The time of canisters that have no clock of their own."""
        self.with_own_time: dict[CanisterId, None] = {}
        """The others."""
        self.with_tasks: dict[CanisterId, None] = {}
        """The canisters whose code exports a heartbeat or a global timer."""
        self.hooks_due: dict[CanisterId, None] = {}
        """The canisters whose low-memory hook is ready to run."""
        self.used_snapshot_ids: dict[SnapshotId, None] = {}
        """Every id that a snapshot ever had, in the order in which they were given."""
        self.next_canister_numbers: dict[SubnetId, Count] = {}
        """By subnet, from which number on ids are looked for that were never used."""
        self.contexts = CallContexts()
        self.messages = MessageQueues(profile.limits)
        self.reject_texts: dict[int, Text] = {}
        """What responses that reject say, by the ids of the messages, where it is not the engine that words it."""
        self.ingress = IngressHistory()
        self.recorder = Recorder(explains)
        self.guaranteed_stop_calls: Count = 0
        """How many calls to stop a canister are not answered for which their callers wait without bound."""
        self.memory_in_use: Counter[SubnetId] = Counter()
        """What the canisters use, or have allocated, of each subnet's memory, in bytes."""
        self.foresight: Running | None = None
        """Whether functions that are pending were run ahead; None if none ever is."""
        self.committing: Committing | None = None
        """Who keeps committed states of it; None if nobody does."""
        self.committed_from: SubnetInstance | None = None
        """The instance that goes on changing, where this one is a committed state of it."""
        self.kept_tree: Any = None
        """The state tree of a committed state, once somebody has asked for it."""
        self.correspondence: Correspondence | None = None
        """With other subnets; None if canisters reach none."""
        self._loader = loader
        self._modules: dict[Blob, InstalledModule | MalformedModule] = {}
        for canister_id, canister in (canisters or {}).items():
            self.add_canister(empty_canister(canister_id, canister))

    def create_on(self, subnet: Subnet) -> None:
        """Canisters for which nothing is said are created on this subnet from now on."""
        self.subnet = subnet
        self.ledger = Ledger(self.profile, subnet.subnet_size)

    def ledger_of(self, canister: CanisterRecord) -> Ledger:
        """The prices of the subnet on which a canister lives."""
        return self.standing(canister).ledger

    def standing(self, canister: CanisterRecord) -> Standing:
        """What follows from what a canister is and has; found out at first use after a change."""
        if canister.standing is None:
            ledger, usage = self.ledger_on(canister.subnet), canister.memory_usage()
            is_64_bit = canister.code is not None and canister.code.installed.module.has_64_bit_memory
            canister.standing = Standing(
                ledger,
                usage,
                _freezing_limit(ledger, canister, usage),
                largest_easy_heap(self.profile, canister.settings, is_64_bit),
            )
        return canister.standing

    def has_changed(self, canister: CanisterRecord) -> None:
        """Settings, status or code of a canister, or the size of something that it has, are others from now on."""
        canister.standing = None
        self.written[canister.canister_id] = None
        self.to_certify[canister.canister_id] = None
        self.to_keep[canister.canister_id] = None

    def certifies(self, canister: CanisterRecord, certified_data: Blob) -> None:
        """The canister gets other certified data."""
        canister.certified_data = certified_data
        self.to_certify[canister.canister_id] = None
        self.to_keep[canister.canister_id] = None

    def ledger_on(self, subnet: Subnet) -> Ledger:
        """The prices on a subnet."""
        nodes = self._paying_nodes(subnet)
        return self.ledger if nodes == self.subnet.subnet_size else Ledger(self.profile, nodes)

    def _paying_nodes(self, subnet: Subnet) -> Count:
        """So many nodes are paid for; a subnet that is free is as one without any."""
        is_free = subnet.subnet_id in self.network and self.network[subnet.subnet_id].is_free
        return 0 if is_free else subnet.subnet_size

    def home_of(self, call: CallMessage) -> Subnet:
        """Where a call creates a canister or leaves the system: where a user sent it, or where its caller lives."""
        if len(self.network) == 1:
            return self.subnet
        if isinstance(call.origin, FromUser):
            reached = self.network.reached_by(self.ingress[call.origin.request_id].effective_id)
            return self.subnet if reached is None else reached.subnet
        caller = self.canisters.get(call.caller.principal)
        return self.subnet if caller is None else caller.subnet

    def is_elsewhere(self, canister_id: Principal) -> bool:
        """What goes to this canister leaves the subnet, or has no way to go."""
        if self.correspondence is None or canister_id == MANAGEMENT_CANISTER:
            return False
        owner = self.network.owner_of(canister_id)
        return owner is None or owner.subnet_id != self.subnet.subnet_id

    def load(self, raw_module: Blob) -> InstalledModule | MalformedModule:
        """The module with these bytes; the same object each time."""
        known = self._modules.get(raw_module)
        if known is None:
            loaded = self._loader(raw_module, self.profile)
            known = loaded if isinstance(loaded, MalformedModule) else InstalledModule(raw_module, loaded)
            self._modules[raw_module] = known
        return known

    def is_free(self, canister_id: CanisterId) -> bool:
        """No canister has or ever had this id."""
        return canister_id not in self.canisters and canister_id not in self.deleted_canisters

    def next_canister_id(self, subnet: Subnet) -> CanisterId:
        """The first id in the last range of a subnet that was never used."""
        subnet_id = subnet.subnet_id
        number = self.next_canister_numbers.get(subnet_id, number_of(self.network[subnet_id].ranges[-1].first))
        while not self.is_free(numbered_id(number)):
            number += 1
        self.next_canister_numbers[subnet_id] = number
        return numbered_id(number)

    def add_canister(self, canister: CanisterRecord) -> None:
        """A canister is there from now on, with its code and its hook."""
        self.canisters[canister.canister_id] = canister
        # Reason: its id may have been another canister's.
        self.to_keep.pop(canister.canister_id, None)
        self.canisters_on[canister.subnet.subnet_id] += 1
        self.with_own_time[canister.canister_id] = None
        self.set_code(canister, canister.code)
        self.set_hook(canister, canister.low_memory_hook)
        self.recount_memory(canister)

    def time_of(self, canister: CanisterRecord) -> Nanoseconds:
        """What time it is for a canister. A committed state has a clock of its own, which stands."""
        return self.clock.time if canister.follows_clock else canister.time

    def set_time(self, canister: CanisterRecord, time: Nanoseconds) -> None:
        """The canister gets a time of its own."""
        canister.time = time
        self.with_own_time[canister.canister_id] = None
        self.to_keep[canister.canister_id] = None

    def move_on(self, time: Nanoseconds) -> None:
        """It gets as late as this for the system, and for all canisters for which it is not later."""
        self.system_time = self.clock.time = time
        ahead = {one: None for one in self.with_own_time if self.canisters[one].time > time}
        for canister_id in self.with_own_time:
            if canister_id not in ahead:
                self.canisters[canister_id].follow(self.clock)
        self.with_own_time = ahead

    def delete_canister(self, canister: CanisterRecord) -> None:
        """A canister leaves; its id is never used again."""
        del self.canisters[canister.canister_id]
        self.canisters_on[canister.subnet.subnet_id] -= 1
        self.deleted_canisters[canister.canister_id] = None
        self.has_changed(canister)
        self.with_own_time.pop(canister.canister_id, None)
        self.with_tasks.pop(canister.canister_id, None)
        self.hooks_due.pop(canister.canister_id, None)
        self._count_memory(canister, 0)

    def set_status(self, canister: CanisterRecord, status: CanisterStatus) -> None:
        """The canister gets another status."""
        self.guaranteed_stop_calls += _guaranteed_stop_calls(status) - _guaranteed_stop_calls(canister.status)
        canister.status = status
        self.has_changed(canister)
        if isinstance(status, Stopping):
            self.stopping[canister.canister_id] = None
        else:
            self.stopping.pop(canister.canister_id, None)

    def set_hook(self, canister: CanisterRecord, status: HookStatus) -> None:
        """The low-memory hook of the canister gets another status."""
        if canister.low_memory_hook is status and status is not HookStatus.READY:
            return
        canister.low_memory_hook = status
        self.to_keep[canister.canister_id] = None
        if status is HookStatus.READY:
            self.hooks_due[canister.canister_id] = None
        else:
            self.hooks_due.pop(canister.canister_id, None)

    def next_snapshot_id(self, canister_id: CanisterId) -> SnapshotId:
        """An id that no snapshot ever had: a number and the id of the canister."""
        number = len(self.used_snapshot_ids)
        while (snapshot_id := SnapshotId(number.to_bytes(8, "big") + canister_id)) in self.used_snapshot_ids:
            number += 1
        return snapshot_id

    def burn(self, canister: CanisterRecord, cycles: Cycles, purpose: Purpose, use: Text | None = None) -> None:
        """Notes cycles that a canister was charged and that left the system. The balance is left to the caller."""
        recorder = self.recorder
        recorder.cycles_burned += cycles
        if recorder.explains:
            recorder.tell_burned(cycles, purpose)
        self.to_keep[canister.canister_id] = None
        counted = purpose.use if use is None else use
        if counted is not None:
            canister.consumed[counted] = canister.consumed.get(counted, 0) + cycles

    def credit(self, canister: CanisterRecord, cycles: Cycles) -> None:
        """Adds cycles to the balance of a canister. What 128 bits cannot hold leaves the system."""
        kept = min(cycles, MAXIMUM_CYCLES - canister.balance)
        canister.balance += kept
        self.to_keep[canister.canister_id] = None
        self.recorder.burned(cycles - kept, Purpose.LOST)

    def lose(self, cycles: Cycles) -> None:
        """Cycles leave the system, since nobody is there to get them."""
        self.recorder.burned(cycles, Purpose.LOST)

    def set_code(self, canister: CanisterRecord, code: InstalledCode | None) -> None:
        """The canister gets other code, or none. Recounting its memory is left to the caller."""
        canister.code = code
        self.has_changed(canister)
        if code is not None and (code.installed.module.has_heartbeat or code.installed.module.has_global_timer):
            self.with_tasks[canister.canister_id] = None
        else:
            self.with_tasks.pop(canister.canister_id, None)

    def is_subnet_admin(self, principal: Principal, subnet_id: SubnetId | None = None) -> bool:
        """The principal is an admin of a subnet; of the instance's own, if none is named."""
        administered = self.subnet.subnet_id if subnet_id is None else subnet_id
        return self.subnet_admins.get(administered, List[Principal]()).contains(principal)

    def administers(self, principal: Principal, canister: CanisterRecord) -> bool:
        """The principal is an admin of the subnet on which a canister lives."""
        return self.is_subnet_admin(principal, canister.subnet.subnet_id)

    def recount_memory(self, canister: CanisterRecord) -> None:
        """Brings its subnet's use of memory up to date after a change of the canister."""
        self.has_changed(canister)
        self._count_memory(canister, max(canister.settings.memory_allocation, self.standing(canister).memory_usage))

    def _count_memory(self, canister: CanisterRecord, counted: ByteCount) -> None:
        self.memory_in_use[canister.subnet.subnet_id] += counted - canister.counted_on_subnet
        canister.counted_on_subnet = counted

    def reservation(
        self, canister: CanisterRecord, allocation: ByteCount, usage: ByteCount, history_growth: ByteCount = 0
    ) -> Cycles:
        """
        What must be reserved if the canister is to have this allocation and this usage.

        Nothing is reserved for that part of the usage by which its history grows.
        """
        growth = max(allocation, usage - history_growth) - canister.counted_on_subnet
        if growth <= 0:
            return 0
        return self.ledger_of(canister).reservation(self.memory_in_use[canister.subnet.subnet_id], growth)

    def freezing_limit(self, canister: CanisterRecord, usage: ByteCount | None = None) -> Cycles:
        """The freezing limit of a canister, with its memory usage now or the one given."""
        standing = canister.standing or self.standing(canister)
        if usage is None or usage == standing.memory_usage:
            return standing.freezing_limit
        return _freezing_limit(standing.ledger, canister, usage)

    def liquid(self, canister: CanisterRecord) -> Cycles:
        """The liquid balance of a canister."""
        standing = canister.standing or self.standing(canister)
        return liquid_balance(canister.balance, canister.reserved_balance, standing.freezing_limit)

    def price_of_execution(self, canister: CanisterRecord, limit: Instructions) -> Cycles:
        """What is set aside before code of the canister, which must have some, runs with this limit."""
        assert canister.code is not None
        standing = canister.standing or self.standing(canister)
        price = standing.prices.get(limit)
        if price is None:
            price = standing.prices[limit] = standing.ledger.execution(
                limit, canister.code.installed.module.has_64_bit_memory
            )
        return price

    def environment(
        self,
        canister: CanisterRecord,
        instruction_limit: Instructions,
        *,
        global_timer: Nanoseconds | None = None,
        version: CanisterVersion | None = None,
        installing: InstalledModule | None = None,
        history_size: ByteCount | None = None,
        taken: Cycles = 0,
        context_instructions: Instructions = 0,
        replicated: bool = True,
        refused_calls: tuple[Count, ...] = (),
        refused_growths: tuple[Count, ...] = (),
        trapping_growths: tuple[Count, ...] = (),
        certificate: Blob | None = None,
    ) -> KeptEnvironment:
        """
        What an execution of the canister can read, as it is now where nothing else is given.

        `taken` are cycles of the balance that the execution does not see. It holds until the next one is asked for;
        for executions that are not replicated, until the same thread asks for the next one.
        """
        if installing or history_size is not None or refused_calls or refused_growths or trapping_growths:
            environment = self._new_environment(
                canister, replicated, installing, history_size, refused_calls, refused_growths, trapping_growths
            )
        else:
            standing = canister.standing or self.standing(canister)
            kept, user = standing.environments, 0 if replicated else get_ident()
            found = kept.get(user)
            environment = found or kept.setdefault(user, self._new_environment(canister, replicated))
        environment.bring_up_to_date(
            instruction_limit,
            self.time_of(canister),
            canister.global_timer if global_timer is None else global_timer,
            canister.balance - taken,
            canister.reserved_balance,
            canister.version if version is None else version,
            context_instructions,
            certificate,
        )
        return environment

    def usual_environment(
        self, canister: CanisterRecord, limit: Instructions, context_instructions: Instructions
    ) -> KeptEnvironment:
        """What a replicated execution of the canister can read now, where nothing is refused; it holds as long."""
        standing = canister.standing or self.standing(canister)
        environment = standing.environments.get(0)
        if environment is None:
            environment = standing.environments[0] = self._new_environment(canister, True)
        environment.bring_up_to_date(
            limit,
            canister.time,
            canister.global_timer,
            canister.balance,
            canister.reserved_balance,
            canister.version,
            context_instructions,
            None,
        )
        return environment

    def _new_environment(
        self,
        canister: CanisterRecord,
        replicated: bool,
        installing: InstalledModule | None = None,
        history_size: ByteCount | None = None,
        refused_calls: tuple[Count, ...] = (),
        refused_growths: tuple[Count, ...] = (),
        trapping_growths: tuple[Count, ...] = (),
    ) -> KeptEnvironment:
        """An environment that is to be brought up to date."""
        settings = canister.settings
        module = installing or (canister.code.installed if canister.code is not None else None)
        return KeptEnvironment(
            profile=self.profile,
            instruction_limit=0,
            time=0,
            controllers=settings.controllers,
            global_timer=0,
            balance=0,
            reserved_balance=0,
            reserved_balance_limit=settings.reserved_balance_limit,
            compute_allocation=settings.compute_allocation,
            memory_allocation=settings.memory_allocation,
            memory_usage_raw_module=0 if module is None else module.size,
            memory_usage_canister_history=canister.history.size if history_size is None else history_size,
            memory_usage_chunk_store=canister.chunk_store_size,
            memory_usage_snapshots=canister.snapshots_size,
            freezing_threshold=settings.freezing_threshold,
            subnet_id=canister.subnet.subnet_id,
            subnet_size=self._paying_nodes(canister.subnet),
            root_key=self.root_key,
            certificate=None,
            status=simple_status(canister.status),
            canister_version=0,
            environment_variables=settings.environment_variables,
            refused_calls=refused_calls,
            refused_growths=refused_growths,
            trapping_growths=trapping_growths,
            replicated=replicated,
        )


def _freezing_limit(ledger: Ledger, canister: CanisterRecord, usage: ByteCount) -> Cycles:
    settings = canister.settings
    return ledger.freezing_limit(
        settings.compute_allocation, settings.memory_allocation, usage, settings.freezing_threshold
    )


def largest_easy_heap(profile: Profile, settings: Settings, is_64_bit: bool) -> ByteCount:
    """How large a heap may be before less than the threshold of the settings is left."""
    largest = profile.limits.wasm_memory_64 if is_64_bit else profile.limits.wasm_memory_32
    return (settings.wasm_memory_limit or largest) - settings.wasm_memory_threshold


def _guaranteed_stop_calls(status: CanisterStatus) -> Count:
    waiting = status.stop_calls if isinstance(status, Stopping) else ()
    return sum(is_guaranteed(one.origin) for one in waiting)


def heap_size(wasm_state: WasmState) -> ByteCount:
    """The size of the heap in bytes."""
    return wasm_state.wasm_memory.size
