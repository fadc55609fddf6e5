"""Fixtures for tests of modules written as text."""

from collections.abc import Callable
from pathlib import Path

import pytest
import wasmtime
from attrs import evolve

from reference_impl.wasm.running.count import Count, count_export
from reference_impl.wasm.running.module import WasmtimeModule, load_module
from spec.canister.environment import Caller, Environment, EnvironmentVariable, SimpleStatus
from spec.canister.module import MalformedModule
from spec.canister.outcome import Outcome
from spec.canister.wasm_state import WasmState
from spec.profile import Profile, load_profile
from spec.values.containers import List
from spec.values.identifiers import Principal

SELF = Principal(bytes([0, 0, 0, 0, 0, 0, 0, 7, 1, 1]))
USER = Principal(b"a user")


@pytest.fixture(scope="session")
def profile() -> Profile:
    return load_profile()


@pytest.fixture(scope="session")
def environment(profile: Profile) -> Environment:
    return Environment(
        profile=profile,
        instruction_limit=profile.limits.message_instructions,
        time=1_700_000_000_000_000_000,
        controllers=List.of(USER),
        global_timer=77,
        balance=10**15,
        reserved_balance=0,
        reserved_balance_limit=10**12,
        compute_allocation=0,
        memory_allocation=0,
        memory_usage_raw_module=1000,
        memory_usage_canister_history=100,
        memory_usage_chunk_store=0,
        memory_usage_snapshots=0,
        freezing_threshold=2_592_000,
        subnet_id=Principal(b"subnet"),
        subnet_size=13,
        root_key=b"the root key",
        certificate=None,
        status=SimpleStatus.RUNNING,
        canister_version=5,
        environment_variables=List.of(EnvironmentVariable("b", "second"), EnvironmentVariable("a", "first")),
    )


@pytest.fixture(scope="session")
def load(profile: Profile) -> Callable[[str], WasmtimeModule]:
    def load_text(text: str) -> WasmtimeModule:
        module = load_module(bytes(wasmtime.wat2wasm(text)), profile)
        assert isinstance(module, WasmtimeModule), module
        return module

    return load_text


@pytest.fixture(scope="session")
def refusal(profile: Profile) -> Callable[[str | bytes], str]:
    def refuse(given: str | bytes) -> str:
        raw = bytes(wasmtime.wat2wasm(given)) if isinstance(given, str) else given
        module = load_module(raw, profile)
        assert isinstance(module, MalformedModule)
        assert "\n" not in module.because
        return module.because

    return refuse


@pytest.fixture(scope="session")
def count(profile: Profile) -> Callable[..., Count]:
    def count_text(
        text: str, limit: int = profile.limits.message_instructions, export: str = "canister_update go"
    ) -> Count:
        return count_export(bytes(wasmtime.wat2wasm(text)), export, limit, profile)

    return count_text


@pytest.fixture(scope="session")
def update(load: Callable[[str], WasmtimeModule], environment: Environment) -> Callable[..., Outcome]:
    """Runs `canister_update go` of a module given as text, on its initial state or another one."""

    def run(
        text: str,
        argument: bytes = b"",
        *,
        state: WasmState | None = None,
        available_cycles: int = 0,
        needs_to_respond: bool = True,
        **changes: object,
    ) -> Outcome:
        module = load(text)
        return module.update(
            "go",
            state or module.initial_state(SELF),
            argument,
            Caller(USER),
            None,
            evolve(environment, **changes),
            available_cycles,
            needs_to_respond,
        )

    return run


@pytest.fixture(scope="session")
def facts() -> Path:
    """The folder with the facts."""
    return Path(__file__).parents[3] / "docs" / "facts"
