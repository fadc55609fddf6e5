"""
What is done in a random scenario: canisters and users by number and name, so that any act makes sense after any other.

An act about something that there is not, a canister whose creation failed or a snapshot that was never taken, is
about an id that nothing has.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from conformance.canisters.library import load
from conformance.fuzzing.expressions import Course, evaluated
from conformance.fuzzing.fixed_arguments import FIXED
from conformance.protocol.interface import Replied, Seen
from conformance.suite.people import ALICE, BOB, EVE
from conformance.suite.stage import MUCH, Stage
from spec.values import management
from spec.values.canister_terms import AllowedViewers, Controllers, Public, WasmMemoryPersistence
from spec.values.containers import List
from spec.values.identifiers import ANONYMOUS, Blob, CanisterId, Principal, SnapshotId, Text
from spec.values.quantities import Count, Cycles, Seconds

NOWHERE: Final = CanisterId(b"\x00\x00\x00\x00\x00\x00\x02\x00\x01\x01")
"""The id of a canister that there is not."""

NO_SNAPSHOT: Final = SnapshotId(b"no such snapshot")

USERS: Final[Mapping[Text, Principal]] = {"alice": ALICE, "bob": BOB, "eve": EVE, "anonymous": ANONYMOUS}

VISIBILITIES: Final[Mapping[Text, Any]] = {
    "controllers": Controllers(),
    "public": Public(),
    "bob": AllowedViewers(List.of(BOB)),
}

MODES: Final[Mapping[Text, management.CanisterInstallMode]] = {
    "install": management.InstallMode(),
    "reinstall": management.ReinstallMode(),
    "upgrade": management.UpgradeMode(),
    "upgrade_keeping": management.UpgradeMode(False, WasmMemoryPersistence.KEEP),
    "upgrade_replacing": management.UpgradeMode(False, WasmMemoryPersistence.REPLACE),
    "upgrade_skipping": management.UpgradeMode(True),
}
"""How code is installed, by name."""

PATHS: Final[tuple[Text, ...]] = ("time", "module_hash", "controllers", "certified_data", "request", "subnet")
"""What is read of the certified state."""

MOST_CANISTERS: Final[Count] = 6


class Players:
    """The canisters and users of a random scenario on a stage."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._canisters: list[CanisterId] = []
        self._snapshots: dict[CanisterId, SnapshotId] = {}
        self._chunks: dict[CanisterId, Blob] = {}

    def canister(self, number: Count) -> CanisterId:
        """The id of a canister by its number, which some have twice; of none if there is none."""
        return self._canisters[number % len(self._canisters)] if self._canisters else NOWHERE

    # Acts

    def create(self, module: Text | Blob | None, argument: Blob, cycles: Cycles = MUCH, sender: Text = "alice") -> None:
        """A canister is created; if a module is given, by its name in the library or as it is, it is installed."""
        arguments = management.ProvisionalCreateArguments(amount=cycles)
        created = self._stage.manage("provisional_create_canister_with_cycles", arguments, sender=USERS[sender])
        if not isinstance(created, Replied):
            return
        canister_id = management.decode_canister_id_result(created.data)
        self._canisters.append(canister_id)
        if module is not None:
            self._stage.install(canister_id, _module(module), argument, sender=USERS[sender])

    def send(
        self,
        number: Count,
        method_name: Text,
        argument: Blob,
        sender: Text = "alice",
        ingress_expiry: Seconds | None = None,
    ) -> None:
        """A user calls a method, and waits for nothing."""
        expiry = None if ingress_expiry is None else self._stage.now + ingress_expiry * 10**9
        canister_id = self.canister(number)
        self._stage.send(canister_id, method_name, argument, sender=USERS[sender], ingress_expiry=expiry)

    def settle(self, seconds: Seconds = 0) -> None:
        """Time passes, and the system comes to rest."""
        self._stage.settle(seconds)

    def query(self, number: Count, method_name: Text, argument: Blob, sender: Text = "alice") -> None:
        """A user asks a query."""
        self._stage.query(self.canister(number), argument, method_name, sender=USERS[sender])

    def install(
        self, number: Count, module: Text | Blob, argument: Blob, mode: Text = "install", sender: Text = "alice"
    ) -> None:
        """Code is installed in one of the modes."""
        self._stage.install(self.canister(number), _module(module), argument, MODES[mode], USERS[sender])

    def manage(
        self, method_name: Text, number: Count, sender: Text = "alice", is_alone: bool = True, **fields: Any
    ) -> None:
        """A user calls a management method about a canister; if that is done alone, the system then comes to rest."""
        canister_id = self.canister(number)
        argument = self.argument_of(method_name, canister_id, **fields)
        if not is_alone:
            self._stage.send_managed(method_name, argument, canister_id, USERS[sender])
            return
        self._keep(method_name, canister_id, self._stage.manage(method_name, argument, canister_id, USERS[sender]))

    def read(self, what: Text, number: Count, sender: Text = "alice") -> None:
        """A user reads from the certified state."""
        canister_id = self.canister(number)
        about = (b"canister", canister_id)
        match what:
            case "time":
                paths: tuple[tuple[Blob, ...], ...] = ((b"time",),)
            case "subnet":
                paths = ((b"subnet", self._stage.subnet_id, b"public_key"),)
            case "request":
                accepted = self._stage.accepted
                sent = accepted[-1 - number % len(accepted)][0] if accepted else None
                request_id = b"\x01" * 32 if sent is None or sent.request_id is None else sent.request_id
                paths = ((b"request_status", request_id, b"status"),)
                canister_id = accepted[-1 - number % len(accepted)][1] if accepted else canister_id
            case _:
                paths = ((*about, what.encode()),)
        self._stage.read(CanisterId(canister_id), paths, sender=USERS[sender])

    def take(self, *rules: Text) -> None:
        """The implementation is told to take a transition, of the first of these rules of which one can be taken."""
        for rule in rules:
            if self._stage.can_take(rule):
                self._stage.take(rule)
                return

    def retire(self, number: Count, sender: Text = "alice") -> None:
        """A canister is stopped and deleted."""
        for method_name in ("stop_canister", "delete_canister"):
            self.manage(method_name, number, sender)

    # What acts are made of

    def argument_of(self, method_name: Text, canister_id: CanisterId, **fields: Any) -> Blob:
        """The argument of a method of the management canister about a canister."""
        if "raw" in fields:
            return Blob(fields["raw"])
        made: Any
        match method_name:
            case "update_settings":
                made = management.UpdateSettingsArguments(canister_id, self._settings(**fields))
            case "provisional_create_canister_with_cycles":
                made = management.ProvisionalCreateArguments(fields.pop("amount", None), self._settings(**fields))
            case "create_canister":
                made = management.CreateCanisterArguments(self._settings(**fields))
            case "provisional_top_up_canister":
                made = management.ProvisionalTopUpArguments(canister_id, fields["amount"])
            case "uninstall_code":
                made = management.UninstallCodeArguments(canister_id)
            case "raw_rand":
                made = management.RawRandArguments()
            case "take_canister_snapshot":
                replaced = self._snapshots.get(canister_id) if fields.get("replaces") else None
                made = management.TakeSnapshotArguments(canister_id, replaced, fields.get("uninstalls"))
            case "load_canister_snapshot":
                source = self.canister(fields["source"]) if "source" in fields else canister_id
                made = management.LoadSnapshotArguments(canister_id, self._snapshots.get(source, NO_SNAPSHOT))
            case "delete_canister_snapshot" | "read_canister_snapshot_metadata":
                made = management.SnapshotArguments(canister_id, self._snapshots.get(canister_id, NO_SNAPSHOT))
            case "read_canister_snapshot_data" | "upload_canister_snapshot_data":
                made = self._part(method_name, canister_id, **fields)
            case "upload_canister_snapshot_metadata":
                size = fields["size"]
                made = management.UploadSnapshotMetadataArguments(canister_id, len(load("scripted")), size, size)
            case "upload_chunk":
                made = management.UploadChunkArguments(canister_id, fields["chunk"])
            case "install_chunked_code":
                made = self._from_chunks(canister_id, fields["mode"])
            case "canister_metadata":
                made = management.CanisterMetadataArguments(canister_id, fields["section"])
            case "node_metrics_history":
                made = management.NodeMetricsHistoryArguments(self._stage.subnet_id, 0)
            case "subnet_info":
                made = management.SubnetInfoArguments(self._stage.subnet_id)
            case _ if method_name in FIXED:
                made = FIXED[method_name]
            case "canister_info":
                made = management.CanisterInfoArguments(canister_id, fields.get("changes"))
            case _:
                made = management.CanisterIdArguments(canister_id)
        return management.encode_arguments(made)

    def _part(self, method_name: Text, canister_id: CanisterId, kind: Text, size: Count) -> management.AnyArguments:
        """A part of a snapshot that is read, or written."""
        snapshot = self._snapshots.get(canister_id, NO_SNAPSHOT)
        parts: dict[Text, Callable[[Count, Count | None], management.SnapshotPart]] = {
            "module": management.ModulePart,
            "heap": management.HeapPart,
            "stable": management.StableMemoryPart,
        }
        if method_name == "read_canister_snapshot_data":
            chunk_hash = hashlib.sha256(b"a chunk").digest()
            wanted = parts[kind](0, size) if kind in parts else management.StoredChunk(chunk_hash)
            return management.ReadSnapshotDataArguments(canister_id, snapshot, wanted)
        module = load("scripted")
        written = module if kind == "module" else b"a chunk" if kind == "chunk" else bytes(size)
        part = parts[kind](0, None) if kind in parts else management.StoredChunk()
        return management.UploadSnapshotDataArguments(canister_id, snapshot, part, written)

    def _from_chunks(self, canister_id: CanisterId, mode: Text) -> management.AnyArguments:
        """Code is installed from the chunks of a canister, to which the module is uploaded before."""
        module = load("scripted")
        uploading = management.encode_arguments(management.UploadChunkArguments(canister_id, module))
        self._stage.manage("upload_chunk", uploading, canister_id, ALICE)
        module_hash = hashlib.sha256(module).digest()
        return management.InstallChunkedCodeArguments(
            MODES[mode], canister_id, module_hash, None, List((module_hash,)), b""
        )

    def _settings(self, **fields: Any) -> management.SettingsArguments:
        made = dict(fields)
        if "controllers" in made:
            made["controllers"] = List(tuple(self._principal(each) for each in made["controllers"]))
        for name in ("log_visibility", "snapshot_visibility", "status_visibility"):
            if name in made:
                made[name] = VISIBILITIES[made[name]]
        return management.SettingsArguments(**made)

    def _principal(self, who: Text | Count) -> Principal:
        return USERS[who] if isinstance(who, str) else self.canister(who)

    def _keep(self, method_name: Text, canister_id: CanisterId, seen: Seen) -> None:
        if not isinstance(seen, Replied):
            return
        if method_name in ("take_canister_snapshot", "upload_canister_snapshot_metadata"):
            told = management.decode_result(method_name, seen.data)
            self._snapshots[canister_id] = told.id if method_name == "take_canister_snapshot" else told
        elif method_name == "provisional_create_canister_with_cycles" and len(self._canisters) < MOST_CANISTERS:
            self._canisters.append(management.decode_canister_id_result(seen.data))


def _module(module: Text | Blob) -> Blob:
    return load(module) if isinstance(module, str) else module


ACTS: Final[tuple[Text, ...]] = ("create", "send", "settle", "query", "install", "manage", "retire", "read", "take")


def script_of(course: Course) -> Callable[[Stage], None]:
    """What happens in the scenario that this course is. At its end the system comes to rest."""

    def script(stage: Stage) -> None:
        players = Players(stage)
        own = {"canister": players.canister, "argument_of": players.argument_of}
        own |= {name: getattr(players, name) for name in ACTS}
        for act in course:
            evaluated(act, own)
        stage.settle()

    return script
