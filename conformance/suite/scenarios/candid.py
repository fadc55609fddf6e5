"""
Candid as users send it: management methods with arguments in every form.

A form that subtyping admits is read as the plain one is; any other is refused. A failure names the method and the form.
"""

from collections.abc import Callable, Mapping

from attrs import frozen

from conformance.canisters.library import load
from conformance.judging.patterns import replies, replies_where
from conformance.protocol.interface import Replied, Seen
from conformance.suite.candid_forms import ADMITTED, COMBINED, Form, refused_forms
from conformance.suite.people import ALICE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.management_calls import asking, result_of
from conformance.suite.scenarios.preparations import controlled_by
from conformance.suite.scenarios.snapshots import taken
from conformance.suite.stage import MUCH, Stage
from spec.values import management
from spec.values.canister_terms import Public
from spec.values.containers import List
from spec.values.identifiers import Blob, CanisterId, SnapshotId, Text

COVERS = ("mgmt-general.candid-interface", "unspec.fn.candid-decoding")

MODULE = bytes.fromhex("0061736d01000000")
"""The smallest module."""


@frozen
class Scene:
    """A canister that calls are about, and one that calls; both are controlled by alice and by the one that calls."""

    stage: Stage
    caller: CanisterId
    target: CanisterId
    snapshot: SnapshotId
    chunk: Blob


def set_up(stage: Stage) -> Scene:
    """Makes the canisters, a snapshot and a chunk."""
    caller = stage.create_with_code(load("scripted"))
    target = stage.create(settings=controlled_by(ALICE, caller))
    stage.expect(stage.install(target, MODULE), replies())
    snapshot = taken(stage, target).id
    chunk = result_of(
        "upload_chunk",
        stage.manage(
            "upload_chunk", management.encode_arguments(management.UploadChunkArguments(target, MODULE)), target
        ),
    )
    return Scene(stage, caller, target, snapshot, chunk)


Maker = Callable[[Scene], management.AnyArguments]
"""Makes the argument of a call, after what must come before."""


def _about(kind: type) -> Maker:
    return lambda scene: kind(scene.target)


def _fresh(scene: Scene) -> CanisterId:
    """A canister that can be deleted."""
    canister = scene.stage.create(cycles=10**12, settings=controlled_by(ALICE, scene.caller))
    scene.stage.about("stop_canister", canister)
    return canister


def _described(scene: Scene) -> SnapshotId:
    """A snapshot of which only the metadata were uploaded."""
    metadata = management.UploadSnapshotMetadataArguments(scene.target, len(MODULE), 0, 0)
    answer = scene.stage.manage(
        "upload_canister_snapshot_metadata", management.encode_arguments(metadata), scene.target
    )
    snapshot: SnapshotId = result_of("upload_canister_snapshot_metadata", answer)
    return snapshot


SETTINGS = management.SettingsArguments(
    freezing_threshold=100_000, log_visibility=Public(), wasm_memory_limit=10**9, controllers=None
)

OF_USERS: Mapping[Text, Mapping[Text, Maker]] = {
    "creation": {
        "provisional_create_canister_with_cycles": lambda scene: management.ProvisionalCreateArguments(MUCH, SETTINGS),
        "provisional_top_up_canister": lambda scene: management.ProvisionalTopUpArguments(scene.target, 1_000),
        "delete_canister": lambda scene: management.CanisterIdArguments(_fresh(scene)),
    },
    "lifecycle": {
        "canister_status": _about(management.CanisterIdArguments),
        "stop_canister": _about(management.CanisterIdArguments),
        "start_canister": _about(management.CanisterIdArguments),
        "uninstall_code": _about(management.UninstallCodeArguments),
    },
    "settings": {"update_settings": lambda scene: management.UpdateSettingsArguments(scene.target, SETTINGS)},
    "installation": {
        "install_code": lambda scene: management.InstallCodeArguments(
            management.UpgradeMode(skip_pre_upgrade=True), scene.target, MODULE
        ),
        "install_chunked_code": lambda scene: management.InstallChunkedCodeArguments(
            management.ReinstallMode(), scene.target, scene.chunk, chunk_hashes_list=List.of(scene.chunk)
        ),
    },
    "chunks": {
        "upload_chunk": lambda scene: management.UploadChunkArguments(scene.target, b"a chunk"),
        "stored_chunks": _about(management.CanisterIdArguments),
        "clear_chunk_store": _about(management.CanisterIdArguments),
    },
    "snapshots": {
        "take_canister_snapshot": lambda scene: management.TakeSnapshotArguments(scene.target),
        "list_canister_snapshots": _about(management.CanisterIdArguments),
        "load_canister_snapshot": lambda scene: management.LoadSnapshotArguments(scene.target, scene.snapshot),
        "delete_canister_snapshot": lambda scene: management.SnapshotArguments(
            scene.target, taken(scene.stage, scene.target).id
        ),
    },
    "snapshot_contents": {
        "read_canister_snapshot_metadata": lambda scene: management.SnapshotArguments(scene.target, scene.snapshot),
        "read_canister_snapshot_data": lambda scene: management.ReadSnapshotDataArguments(
            scene.target, scene.snapshot, management.ModulePart(0, 8)
        ),
        "upload_canister_snapshot_metadata": lambda scene: management.UploadSnapshotMetadataArguments(
            scene.target, len(MODULE), 0, 0
        ),
        "upload_canister_snapshot_data": lambda scene: management.UploadSnapshotDataArguments(
            scene.target, _described(scene), management.ModulePart(0), MODULE
        ),
    },
}
"""The methods that users may call, in groups that share a scenario."""

OF_CANISTERS: Mapping[Text, Mapping[Text, Maker]] = {
    "information": {
        "canister_info": lambda scene: management.CanisterInfoArguments(scene.target, 2),
        "canister_metrics": _about(management.CanisterIdArguments),
        "canister_metadata": lambda scene: management.CanisterMetadataArguments(scene.caller, "about"),
        "subnet_info": lambda scene: management.SubnetInfoArguments(scene.stage.subnet_id),
        "raw_rand": lambda scene: management.RawRandArguments(),
    },
    "cycles": {
        "create_canister": lambda scene: management.CreateCanisterArguments(SETTINGS),
        "deposit_cycles": _about(management.CanisterIdArguments),
    },
}
"""Methods that canisters call."""

CYCLES = {"create_canister": 10**13, "deposit_cycles": 1_000}
"""What a call takes along."""


def _ask(scene: Scene, method_name: Text, argument: Blob, arguments: management.AnyArguments) -> Seen:
    """A user's call in some form."""
    about = getattr(arguments, "canister_id", getattr(arguments, "target_canister", scene.target))
    return scene.stage.manage(method_name, argument, about)


def _relay(scene: Scene, method_name: Text, argument: Blob) -> Seen:
    """A canister's call in some form."""
    return scene.stage.call(scene.caller, asking(method_name, argument, CYCLES.get(method_name, 0)))


def _is_candid(data: Blob) -> bool:
    return data.startswith(b"DIDL")


READ = replies_where("of the method", _is_candid)
"""The argument was read: the method replied."""


def _try_user_forms(scene: Scene, method_name: Text, make: Maker, forms: Mapping[Text, Form]) -> None:
    plain = management.encode_arguments(make(scene))
    for name, form in refused_forms(plain).items():
        with cell(f"{method_name} with {name}"):
            sent = scene.stage.send_managed(method_name, form(plain), scene.target)
            if sent.refusal is None:
                scene.stage.settle()
            answer = scene.stage.answer(sent)
            scene.stage.require(not isinstance(answer, Replied), "the argument is not read")
    for name, form in forms.items():
        arguments = make(scene)
        with cell(f"{method_name} with {name}"):
            answer = _ask(scene, method_name, form(management.encode_arguments(arguments)), arguments)
            scene.stage.expect(answer, READ)


def _of_users(name: Text, methods: Mapping[Text, Maker]) -> None:
    def script(stage: Stage) -> None:
        scene = set_up(stage)
        for method_name, make in methods.items():
            _try_user_forms(scene, method_name, make, COMBINED)

    script.__name__ = name
    listed = ", ".join(methods)
    scenario(f"Users' arguments of {listed} are read in every form that Candid admits", covers=COVERS)(script)


def _of_canisters(name: Text, methods: Mapping[Text, Maker]) -> None:
    def script(stage: Stage) -> None:
        scene = set_up(stage)
        for method_name, make in methods.items():
            plain = management.encode_arguments(make(scene))
            for form_name, form in COMBINED.items():
                with cell(f"{method_name} with {form_name}"):
                    stage.expect(_relay(scene, method_name, form(plain)), READ)
            for form_name in SOME_REFUSED:
                if form_name in refused_forms(plain):
                    with cell(f"{method_name} with {form_name}"):
                        answer = _relay(scene, method_name, refused_forms(plain)[form_name](plain))
                        stage.require(isinstance(answer, Replied) and not _is_candid(answer.data), "it is rejected")

    script.__name__ = name
    listed = ", ".join(methods)
    scenario(f"Canisters' arguments of {listed} are read in every form that Candid admits", covers=COVERS)(script)


SOME_REFUSED = ("a required field missing", "a required field of another type", "bytes after the last value")

for _name, _methods in OF_USERS.items():
    _of_users(_name, _methods)
for _name, _methods in OF_CANISTERS.items():
    _of_canisters(_name, _methods)


def _one_form(name: Text) -> None:
    """One form, for three methods of different shapes, so that a failure is about nothing else."""

    def script(stage: Stage) -> None:
        scene = set_up(stage)
        for group, method_name in (
            ("settings", "update_settings"),
            ("installation", "install_code"),
            ("lifecycle", "canister_status"),
        ):
            arguments = OF_USERS[group][method_name](scene)
            with cell(f"{method_name} with {name}"):
                answer = _ask(scene, method_name, ADMITTED[name](management.encode_arguments(arguments)), arguments)
                stage.expect(answer, READ)
        with cell(f"update_settings with {name}"):
            status = stage.status(scene.target)
            stage.require(status.settings.freezing_threshold == 100_000, "the threshold is what was asked for")

    script.__name__ = name.replace(" ", "_")
    scenario(f"Arguments are read with {name}", covers=COVERS)(script)


for _name in ADMITTED:
    _one_form(_name)
