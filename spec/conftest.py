"""Every test of the rules may use canisters whose code is a Python object; real modules are parsed as always."""

import pytest

import spec.rules.modules
from spec.rules.tests.worlds import FAKES
from spec.system_api.module import parse_module


@pytest.fixture(autouse=True)
def fake_modules(monkeypatch):
    def parse(raw_module, profile):
        return FAKES[raw_module] if raw_module in FAKES else parse_module(raw_module, profile)

    monkeypatch.setattr(spec.rules.modules, "parse_module", parse)
    yield
    FAKES.clear()
