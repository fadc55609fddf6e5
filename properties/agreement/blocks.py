"""
Random blocks for worlds in which there is little of everything: programs, management calls, answers, time.

All is drawn from one generator of random numbers, so a seed is a whole run.
"""

import hashlib
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from conformance.canisters import ic0
from conformance.canisters import scripted as s
from conformance.canisters.expressions import Action
from properties.agreement.scarcity import MODULES, Taste
from properties.agreement.stage import ALICE, BOB
from spec.production.rounds import Batch, Ingress
from spec.state.label import Label
from spec.state.message import CallMessage, Unordered
from spec.state.request import Request
from spec.state.state import State
from spec.values import management
from spec.values.containers import List, Map
from spec.values.identifiers import MANAGEMENT_CANISTER, Blob, CanisterId, MethodName, Principal, SnapshotId
from spec.values.quantities import NANOSECONDS_PER_SECOND, Count, Nanoseconds
from spec.values.rejects import RejectCode

ROUNDS_IN_WORLD: Final[Count] = 50
DURATIONS: Final[tuple[Nanoseconds, ...]] = tuple(
    tenths * NANOSECONDS_PER_SECOND // 10 for tenths in (2, 5, 10, 10, 10, 20, 20, 50, 150, 400)
)


class Blocks:
    """Draws one block after another for a world."""

    def __init__(self, random: Random, taste: Taste) -> None:
        self._random = random
        self._taste = taste
        self._nonce = 0
        self._focus: CanisterId | None = None
        """The canister that many management calls are about for a while."""

    def next(self, state: State) -> Batch:
        """The next block for a world in this state."""
        random = self._random
        time = state.system_time + random.choice(DURATIONS)
        if self._focus is None or random.random() < 0.1:
            self._focus = random.choice([one for one, _ in state.canisters.items()])
        count = random.choice((0, 1, 2, 3, 3, 5, 8))
        return Batch(
            time=time,
            ingress=tuple(self._request(state, time) for _ in range(count)),
            answers=self._answers(state),
            randomness=random.randbytes(32),
            subnet_admins=self._admins(state) if random.random() < 0.05 else None,
        )

    def _admins(self, state: State) -> Map[Any, List[Principal]]:
        admins: List[Principal] = List(self._random.choice(((), (BOB,), (ALICE, BOB))))
        return Map.of([(state.subnet.subnet_id, admins)] if len(admins) else [])

    # Answers of the outside world

    def _answers(self, state: State) -> tuple[Label, ...]:
        away = [
            message_id
            for message_id, message in state.messages.entries
            if isinstance(message, CallMessage)
            and message.callee == MANAGEMENT_CANISTER
            and message.method_name == "http_request"
            and isinstance(message.queue, Unordered)
        ]
        return tuple(self._answer(one) for one in away if self._random.random() < self._taste.answers)

    def _answer(self, message_id: int) -> Label:
        if self._random.random() < 0.3:
            return Label("outside_call_failure", {"message_id": message_id, "code": RejectCode.SYS_TRANSIENT})
        return Label("http_request", {"message_id": message_id, "answer": management.HttpResponse(200)})

    # Requests

    def _request(self, state: State, time: Nanoseconds) -> Ingress:
        random = self._random
        self._nonce += 1
        ids = [one for one, _ in state.canisters.items()]
        if random.random() < self._taste.programs:
            target = random.choice(ids) if random.random() < 0.97 else Principal(b"\x09\x01\x01")
            method = random.choice(("update", "update", "update", "query", "also_update", "missing"))
            content: tuple[Principal, MethodName, Blob] = (target, method, self._program(ids, 2))
            effective_id = target
        else:
            method, arguments = self._management_call(state, ids)
            named = getattr(arguments, "target_canister", None) or getattr(arguments, "canister_id", None)
            effective_id = Principal(named or ids[0])
            content = (MANAGEMENT_CANISTER, method, management.encode_arguments(arguments))
        request = Request(
            nonce=self._nonce.to_bytes(8, "big"),
            ingress_expiry=time + random.choice((0, 1, 3, 60, 240, 240)) * NANOSECONDS_PER_SECOND,
            sender=random.choice((ALICE, ALICE, ALICE, ALICE, BOB)),
            canister_id=content[0],
            method_name=content[1],
            argument=content[2],
        )
        size = random.choice((None, len(request.argument) + 100))
        return Ingress(request, effective_id, size)

    def _management_call(self, state: State, ids: Sequence[CanisterId]) -> tuple[MethodName, Any]:
        random = self._random
        about = random.choice((*ids, *[self._focus or ids[0]] * len(ids)))
        taste = self._taste
        calls: list[Callable[[], tuple[MethodName, Any]]] = [
            *[lambda: self._installation(about)] * taste.installations,
            *[lambda: self._snapshot(state, about)] * taste.snapshots,
            *[lambda: ("provisional_create_canister_with_cycles", self._creation())] * taste.creations,
            *[lambda: ("update_settings", management.UpdateSettingsArguments(about, self._settings(ids)))]
            * taste.settings,
            *[lambda: ("stop_canister", management.CanisterIdArguments(about))] * taste.stops,
            *[lambda: ("start_canister", management.CanisterIdArguments(about))] * (taste.stops + 1),
            *[lambda: self._chunk(about)] * taste.chunks,
            lambda: ("canister_status", management.CanisterIdArguments(about)),
            lambda: self._ending(about) if random.random() < 0.4 else self._installation(about),
            lambda: ("provisional_top_up_canister", management.ProvisionalTopUpArguments(about, 10**13)),
        ]
        return random.choice(calls)()

    def _ending(self, about: CanisterId) -> tuple[MethodName, Any]:
        if self._random.random() < 0.5:
            return "uninstall_code", management.UninstallCodeArguments(about)
        return "delete_canister", management.CanisterIdArguments(about)

    def _installation(self, about: CanisterId) -> tuple[MethodName, Any]:
        random = self._random
        mode = random.choice(
            (management.InstallMode(), management.ReinstallMode(), management.UpgradeMode(), management.UpgradeMode())
        )
        module = random.choice(MODULES) + custom_section(random.choice((0, 0, 10, 200)))
        argument = s.program(s.spin(random.choice((0, 100)))) if random.random() < 0.8 else s.program(s.trap(b"no"))
        if random.random() < 0.2:
            halves = module[: len(module) // 2], module[len(module) // 2 :]
            chunks = List(tuple(hashlib.sha256(half).digest() for half in halves))
            whole = random.choice((hashlib.sha256(module).digest(), bytes(32)))
            return "install_chunked_code", management.InstallChunkedCodeArguments(
                mode, about, whole, None, chunks, argument
            )
        return "install_code", management.InstallCodeArguments(mode, about, module, argument)

    def _chunk(self, about: CanisterId) -> tuple[MethodName, Any]:
        random = self._random
        module = random.choice(MODULES)
        chunk = random.choice((module[: len(module) // 2], module[len(module) // 2 :], random.randbytes(10)))
        if random.random() < 0.2:
            return "clear_chunk_store", management.CanisterIdArguments(about)
        return "upload_chunk", management.UploadChunkArguments(about, chunk)

    def _snapshot(self, state: State, about: CanisterId) -> tuple[MethodName, Any]:
        random = self._random
        held = [
            (canister_id, snapshot_id)
            for canister_id, canister in state.canisters.items()
            for snapshot_id, _ in canister.snapshots.items()
        ]
        if not held or random.random() < 0.5:
            replaced: SnapshotId | None = random.choice([one for _, one in held]) if held else None
            uninstalls = random.choice((None, None, False, True))
            return "take_canister_snapshot", management.TakeSnapshotArguments(
                about, replaced if random.random() < 0.3 else None, uninstalls
            )
        owner, snapshot_id = random.choice(held)
        if random.random() < 0.5:
            return "load_canister_snapshot", management.LoadSnapshotArguments(about, snapshot_id)
        return "delete_canister_snapshot", management.SnapshotArguments(owner, snapshot_id)

    def _creation(self) -> management.ProvisionalCreateArguments:
        random = self._random
        settings = management.SettingsArguments(
            compute_allocation=random.choice((None, None, 10, 40)),
            memory_allocation=random.choice((None, None, 2**18, 2**22)),
        )
        return management.ProvisionalCreateArguments(
            amount=random.choice((10**14, 10**12, 10**9)),
            settings=random.choice((management.SettingsArguments(), settings)),
        )

    def _settings(self, ids: Sequence[CanisterId]) -> management.SettingsArguments:
        random = self._random
        choice = random.randrange(6)
        match choice:
            case 0 | 1:
                return management.SettingsArguments(compute_allocation=random.choice((0, 5, 30, 60)))
            case 2:
                return management.SettingsArguments(memory_allocation=random.choice((0, 2**18, 2**22)))
            case 3:
                return management.SettingsArguments(freezing_threshold=random.choice((0, 0, 10**9)))
            case 4:
                return management.SettingsArguments(
                    wasm_memory_limit=2**22, wasm_memory_threshold=random.choice((0, 2**22))
                )
            case _:
                return management.SettingsArguments(controllers=List(tuple(sorted((ALICE, *ids[:6])))))

    # Programs

    def _program(self, ids: Sequence[CanisterId], depth: int) -> Blob:
        random = self._random
        actions = [self._action(ids, depth) for _ in range(random.choice((0, 1, 1, 2, 3)))]
        end = random.choice((s.reply(b"done"), s.reply(b"done"), s.reply(b"done"), s.trap(b"no"), s.NOTHING))
        return s.program(*actions, end)

    def _action(self, ids: Sequence[CanisterId], depth: int) -> Action:
        random = self._random
        taste = self._taste
        actions: list[Callable[[], Action]] = [
            *[lambda: s.spin(random.choice((10, 500, 500, 5_000, 20_000)))] * taste.spins,
            *[lambda: self._growth()] * taste.growths,
            *[lambda: self._writing()] * 3,
            *[lambda: s.ignore(ic0.cycles_burn128(random.choice((10**9, 2**100))))] * taste.burns,
            lambda: s.ignore(ic0.global_timer_set(random.choice((0, 1, 10**18 * 2)))),
            lambda: s.set_heartbeat(s.program(s.spin(random.choice((1, 1_000, 15_000))))),
            lambda: s.set_heartbeat(b""),
            lambda: s.set_global_timer_program(s.program(s.spin(random.choice((1, 15_000))))),
            lambda: ic0.debug_print(b"printed"),
        ]
        if depth:
            actions += [lambda: self._calls(ids, depth)] * taste.calls
            actions += [lambda: self._outcalls()] * taste.outcalls
        return random.choice(actions)()

    def _writing(self) -> Action:
        """Some pages of the heap change; it traps where no memory could grow so far."""
        grown = s.ignore(s.memory_grow(self._random.choice((0, 1))))
        written = s.write_every(2**16 + self._random.randrange(4096), 4096, self._random.choice((1, 10, 12)))
        return s.sequence(grown, written)

    def _growth(self) -> Action:
        pages = self._random.choice((1, 1, 2, 4))
        return s.ignore(self._random.choice((s.memory_grow(pages), ic0.stable_grow(pages))))

    def _calls(self, ids: Sequence[CanisterId], depth: int) -> Action:
        random = self._random
        made = self._call(ids, depth)
        return s.sequence(*[made] * random.choice((1, 1, 2, 4)))

    def _outcalls(self) -> Action:
        """Two outcalls, for which the outside world takes its time; what follows them grows memory."""
        arguments = management.HttpRequestArguments("https://example.com", max_response_bytes=100)
        made = s.call(
            MANAGEMENT_CANISTER,
            "http_request",
            management.encode_arguments(arguments),
            cycles=10**9,
            timeout_seconds=self._random.choice((None, None, 5)),
            on_reply=s.program(s.ignore(s.memory_grow(3))),
            if_refused=s.add_to_counter(1),
        )
        return s.sequence(made, made)

    def _call(self, ids: Sequence[CanisterId], depth: int) -> Action:
        random = self._random
        timeout = random.choice((1, 5)) if random.random() < self._taste.bounded else None
        callee, method, argument = (
            self._call_to_management(ids)
            if random.random() < self._taste.to_management
            else (
                random.choice((*ids, *ids, *ids, Principal(b"\x09\x01\x01"))),
                "update",
                self._program(ids, depth - 1),
            )
        )
        if random.random() < 0.3:
            argument += s.program(s.NOTHING) + (
                s.program(s.ignore(s.length(bytes(1_500)))) if len(argument) < 500 else b""
            )
        return s.call(
            callee,
            method,
            argument,
            cycles=random.choice((0, 0, 10**9, 10**11)),
            timeout_seconds=timeout,
            on_reply=self._program(ids, depth - 1),
            on_reject=self._program(ids, 0),
            if_refused=s.add_to_counter(1) if random.random() < 0.9 else None,
        )

    def _call_to_management(self, ids: Sequence[CanisterId]) -> tuple[CanisterId, MethodName, Blob]:
        random = self._random
        about = random.choice(ids)
        only: Any = management.CanisterIdArguments(about)
        outcall = management.HttpRequestArguments("https://example.com", max_response_bytes=100)
        method, arguments = random.choice(
            (
                ("raw_rand", management.RawRandArguments()),
                ("http_request", outcall),
                ("http_request", outcall),
                ("canister_status", only),
                ("deposit_cycles", only),
                ("start_canister", only),
                ("stop_canister", only),
                ("upload_chunk", management.UploadChunkArguments(about, random.randbytes(8))),
                ("take_canister_snapshot", management.TakeSnapshotArguments(about, None, None)),
            )
        )
        return MANAGEMENT_CANISTER, method, management.encode_arguments(arguments)


def custom_section(size: Count) -> Blob:
    """A public custom section with so many bytes, as it stands in a module; nothing for none."""
    if not size:
        return b""
    name = b"icp:public x"
    content = bytes([len(name)]) + name + bytes(size)
    length = len(content)
    return bytes([0, 0x80 | length & 0x7F, length >> 7]) + content
