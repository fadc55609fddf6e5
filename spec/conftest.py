"""Every test of the rules may use canisters whose code is a Python object; real modules are parsed as always."""

from collections.abc import Iterator

import pytest

import spec.rules.modules
from spec.profile import Profile
from spec.rules.tests.worlds import FAKES
from spec.system_api.module import parse_module
from spec.values.identifiers import Blob


@pytest.fixture(autouse=True)
def fake_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def parse(raw_module: Blob, profile: Profile) -> object:
        return FAKES[raw_module] if raw_module in FAKES else parse_module(raw_module, profile)

    monkeypatch.setattr(spec.rules.modules, "parse_module", parse)
    yield
    FAKES.clear()
