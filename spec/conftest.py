"""Every test of the rules may use canisters whose code is a Python object; real modules are parsed as always."""

from collections.abc import Iterator
from typing import Any

import pytest

from spec.canister.module import CanisterModule, MalformedModule
from spec.profile import Profile
from spec.rules.tests.worlds import FAKES
from spec.system_api.engines import run_by
from spec.system_api.module import parse_module
from spec.values.identifiers import Blob


@pytest.fixture(autouse=True)
def fake_modules() -> Iterator[None]:
    def parse(raw_module: Blob, profile: Profile) -> CanisterModule | MalformedModule:
        fake: Any = FAKES.get(raw_module)
        return parse_module(raw_module, profile) if fake is None else fake

    with run_by(parse):
        yield
    FAKES.clear()
