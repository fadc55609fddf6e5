"""
Who asks what: every caller, every management method that is about a canister, every visibility.

The callers are its controller, somebody who may view it, a stranger, the anonymous user, an admin of the subnet, the
canister itself, another one that controls it, one that may view it, and one that has nothing to do with it.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from conformance.judging.patterns import denies, fails, replies
from conformance.protocol.interface import Replied, Seen
from conformance.suite.people import ADMIN, ALICE, BOB, EVE
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.cells import cell
from conformance.suite.scenarios.composite import asked
from conformance.suite.scenarios.management_calls import asking, update_settings
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.scenarios.requests import NOBODY
from conformance.suite.scenarios.snapshots import taken
from conformance.suite.stage import MUCH, Stage
from spec.values import management
from spec.values.canister_terms import AllowedViewers, Controllers, Public, Visibility
from spec.values.containers import List
from spec.values.identifiers import ANONYMOUS, CanisterId, Principal, SnapshotId, Text

COVERS = ("mgmt-general.visibility", "rule.submit-call.mgmt-controller-methods")

USERS: Mapping[Text, Principal] = {
    "a stranger": EVE,
    "the anonymous user": ANONYMOUS,
    "a viewer": BOB,
    "an admin of the subnet": ADMIN,
    "a controller": ALICE,
}
"""Those who may do more come later."""


@frozen
class Scene:
    """A canister that is asked about, with a snapshot, and canisters that ask."""

    stage: Stage
    canister: CanisterId
    snapshot: SnapshotId
    canisters: Mapping[Text, CanisterId]


def set_up(stage: Stage) -> Scene:
    """Makes them."""
    canister, stranger, viewer, controller = (scripted(stage) for _ in range(4))
    controllers = List(tuple(sorted((ALICE, controller))))
    stage.expect(update_settings(stage, canister, controllers=controllers), replies())
    canisters = {
        "another canister": stranger,
        "a canister that may view it": viewer,
        "the canister itself": canister,
        "a canister that controls it": controller,
    }
    return Scene(stage, canister, taken(stage, canister).id, canisters)


def visibilities(scene: Scene) -> Mapping[Text, Visibility]:
    """Each kind of visibility."""
    viewers = tuple(sorted((BOB, scene.canisters["a canister that may view it"])))
    return {"for controllers": Controllers(), "public": Public(), "for some": AllowedViewers(List(viewers))}


def _by_user(scene: Scene, user: Principal, method_name: Text, arguments: management.AnyArguments) -> Seen:
    """An update call of a user, who may be told at once that it is refused."""
    sent = scene.stage.send_managed(method_name, management.encode_arguments(arguments), scene.canister, user)
    if sent.refusal is None:
        scene.stage.settle()
    return scene.stage.answer(sent)


def views(scene: Scene) -> Mapping[Text, tuple[management.AnyArguments, Text]]:
    """The methods by which a canister is viewed, with the setting that says who may."""
    of_snapshot = management.SnapshotArguments(scene.canister, scene.snapshot)
    part = management.ReadSnapshotDataArguments(scene.canister, scene.snapshot, management.ModulePart(0, 8))
    only_it = management.CanisterIdArguments(scene.canister)
    return {
        "canister_status": (only_it, "status_visibility"),
        "list_canister_snapshots": (only_it, "snapshot_visibility"),
        "read_canister_snapshot_metadata": (of_snapshot, "snapshot_visibility"),
        "read_canister_snapshot_data": (part, "snapshot_visibility"),
    }


SETTINGS = ("status_visibility", "snapshot_visibility", "log_visibility")


def _viewed(method_name: Text) -> None:
    def script(stage: Stage) -> None:
        # Given
        scene = set_up(stage)
        arguments, setting = views(scene)[method_name]
        for words, visibility in visibilities(scene).items():
            # When
            others = dict.fromkeys(SETTINGS, Controllers() if isinstance(visibility, Public) else Public())
            stage.expect(update_settings(stage, scene.canister, **{**others, setting: visibility}), replies())
            # Then
            for user_words, user in USERS.items():
                with cell(f"{method_name} {words}, asked by {user_words}"):
                    seen = _by_user(scene, user, method_name, arguments)
                    stage.require(user != ALICE or isinstance(seen, Replied), "a controller is told")
            for canister_words, canister in scene.canisters.items():
                with cell(f"{method_name} {words}, asked by {canister_words}"):
                    stage.expect(stage.call(canister, asking(method_name, arguments)), replies())

    script.__name__ = method_name
    scenario(
        f"Each caller is told by {method_name} what the visibility of just that admits",
        covers=COVERS,
        subnet_admins=(ADMIN,),
    )(script)


for _name in (
    "canister_status",
    "list_canister_snapshots",
    "read_canister_snapshot_metadata",
    "read_canister_snapshot_data",
):
    _viewed(_name)


LAST: Final = CanisterId(b"\xff" * 8 + b"\1\1"), CanisterId(b"\xff" * 9 + b"\5")
"""The last id of the usual form, and one of another form after it; no system has to give them to canisters."""


@scenario(
    "Each user is told by queries what the visibility of status and logs admits",
    covers=("setting.log-visibility", "rule.query.fetch-canister-logs", "mgmt-general.visibility"),
    subnet_admins=(ADMIN,),
)
def queries(stage: Stage) -> None:
    # Given
    scene = set_up(stage)
    for method_name, setting in (("canister_status", "status_visibility"), ("fetch_canister_logs", "log_visibility")):
        for words, visibility in visibilities(scene).items():
            # When
            others = dict.fromkeys(SETTINGS, Controllers() if isinstance(visibility, Public) else Public())
            stage.expect(update_settings(stage, scene.canister, **{**others, setting: visibility}), replies())
            # Then
            for user_words, user in USERS.items():
                with cell(f"a query of {method_name} {words}, asked by {user_words}"):
                    seen = asked(stage, scene.canister, method_name, user)
                    stage.require(user != ALICE or isinstance(seen, Replied), "a controller is told")
    for method_name in ("list_canister_snapshots", "stored_chunks", "list_canisters"):
        for user_words, user in USERS.items():
            with cell(f"a query of {method_name}, asked by {user_words}"):
                asked(stage, scene.canister, method_name, user)
    with cell("a list of canisters with ids that follow each other, and another one"):
        for specified in (NOBODY, *LAST):
            apart = management.ProvisionalCreateArguments(amount=MUCH, specified_id=specified)
            made = stage.manage("provisional_create_canister_with_cycles", apart)
            stage.require(specified != NOBODY or isinstance(made, Replied), "the first of them is created")
        stage.expect(asked(stage, scene.canister, "list_canisters", ADMIN), replies())


def commands(scene: Scene) -> list[tuple[Text, management.AnyArguments]]:
    """The methods that change a canister or tell what is not for viewers; what ends it comes last."""
    canister = scene.canister
    only_it = management.CanisterIdArguments(canister)
    module = bytes.fromhex("0061736d01000000")
    settings = management.SettingsArguments(freezing_threshold=1_234)
    return [
        ("canister_metrics", only_it),
        ("stored_chunks", only_it),
        ("upload_chunk", management.UploadChunkArguments(canister, b"a chunk")),
        ("clear_chunk_store", only_it),
        ("update_settings", management.UpdateSettingsArguments(canister, settings)),
        ("take_canister_snapshot", management.TakeSnapshotArguments(canister)),
        ("load_canister_snapshot", management.LoadSnapshotArguments(canister, scene.snapshot)),
        ("upload_canister_snapshot_metadata", management.UploadSnapshotMetadataArguments(canister, 8, 0, 0)),
        ("delete_canister_snapshot", management.SnapshotArguments(canister, scene.snapshot)),
        ("install_code", management.InstallCodeArguments(management.ReinstallMode(), canister, module)),
        ("stop_canister", only_it),
        ("start_canister", only_it),
        ("uninstall_code", management.UninstallCodeArguments(canister)),
        ("stop_canister", only_it),
        ("delete_canister", only_it),
    ]


def _commanded(name: Text, words: Text, user: Principal) -> None:
    def script(stage: Stage) -> None:
        # Given
        scene = set_up(stage)
        settings = {**dict.fromkeys(SETTINGS, Public())}
        stage.expect(update_settings(stage, scene.canister, **settings), replies())
        for method_name, arguments in commands(scene):
            # Then
            with cell(f"{method_name} by {words}"):
                seen = _by_user(scene, user, method_name, arguments)
                stage.expect(seen, replies() if user == ALICE else replies() | denies() | fails())
        with cell(f"what is left after {words} tried everything"):
            stage.about("canister_status", scene.canister)

    script.__name__ = name
    scenario(
        f"Of the methods that change a canister, {words} may call those that the specification says",
        covers=(*COVERS, "mgmt-general.subnet-admins"),
        subnet_admins=(ADMIN,),
    )(script)


_commanded("by_controller", "a controller", ALICE)
_commanded("by_viewer", "who may only view it", BOB)
_commanded("by_anonymous", "the anonymous user", ANONYMOUS)
_commanded("by_admin", "an admin of the subnet", ADMIN)


def _commanded_by_canister(name: Text, words: Text) -> None:
    def script(stage: Stage) -> None:
        # Given
        scene = set_up(stage)
        for method_name, arguments in commands(scene):
            # Then
            with cell(f"{method_name} by {words}"):
                stage.expect(stage.call(scene.canisters[words], asking(method_name, arguments)), replies())
        with cell(f"what is left after {words} tried everything"):
            stage.about("canister_status", scene.canister)

    script.__name__ = name
    scenario(
        f"Of the methods that change a canister, {words} may call those that the specification says", covers=COVERS
    )(script)


_commanded_by_canister("by_itself", "the canister itself")
_commanded_by_canister("by_controlling_canister", "a canister that controls it")
