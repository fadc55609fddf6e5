"""Both list the canisters of the subnet that hosts the effective canister id, and to its admins alone."""

import pytest

from properties.agreement.beginnings import NEIGHBOURS, neighbours
from properties.agreement.lockstep import SUBNET, Lockstep
from properties.agreement.stage import ALICE, START, Stage
from reference_impl.reads.queries import Query
from reference_impl.subnet.observations import NotTaken
from spec.profile import load_profile
from spec.reads.query import QueryRefused, QueryResponse, query
from spec.state.label import Label
from spec.state.request import Request
from spec.values.containers import List
from spec.values.identifiers import MANAGEMENT_CANISTER, Principal

NO_ARGUMENT = b"DIDL\0\0"


@pytest.mark.parametrize("place", ["here", "elsewhere", "nowhere"])
def test_an_admin_lists_the_canisters_of_the_own_subnet_alone(place: str) -> None:
    """At the endpoint of a canister that another subnet hosts, or none, nothing is told."""
    profile = load_profile()
    stage = Stage()
    stage.lockstep = Lockstep(profile, canisters=neighbours(profile, 10**13))
    effective_id = {"here": stage.create(), "elsewhere": NEIGHBOURS[0], "nowhere": Principal(b"nowhere")}[place]
    stage.lockstep.take(Label("subnet_admins_change", {"subnet_id": SUBNET.subnet_id, "admins": List.of(ALICE)}))
    asked = Query(b"", START + 10**12, ALICE, MANAGEMENT_CANISTER, "list_canisters", NO_ARGUMENT)
    request = Request(b"", START + 10**12, ALICE, MANAGEMENT_CANISTER, "list_canisters", NO_ARGUMENT)
    specified = query(stage.state, request, effective_id)
    engine = stage.lockstep.engine.query(asked, effective_id)
    if place == "here":
        assert isinstance(specified, QueryResponse)
        assert engine == specified.response
    else:
        assert isinstance(specified, QueryRefused)
        assert isinstance(engine, NotTaken)
