"""Helpers of the tests: wasmtime compiles texts here, and serves as the second opinion."""

from pathlib import Path

import pytest
import wasmtime

from spec.wasm.binary import decode
from spec.wasm.execute import Instance, OutOfInstructions, Trap, instantiate
from spec.wasm.syntax import ExternalKind, Module
from spec.wasm.validate import validate

LIMIT = 40_000_000_000
FACTS = Path(__file__).parents[3] / "docs" / "facts"


def compiled(text: str) -> Module:
    """A valid module from its text."""
    module = decode(bytes(wasmtime.wat2wasm(text)))
    validate(module)
    return module


def fresh(module: Module, **options: object) -> Instance:
    """An instance with a large limit, without imports unless given."""
    chosen = {
        "host": {},
        "counter": LIMIT,
        "memory": None,
        "globals": None,
        "maximum_call_depth": 1000,
        "maximum_memory_pages": None,
    }
    return instantiate(module, **(chosen | options))


def call(instance: Instance, name: str, *arguments: int) -> list[int]:
    """Calls an exported function."""
    index = instance.module.exported(name, ExternalKind.FUNCTION)
    assert index is not None, name
    return instance.invoke(index, arguments)


def outcome(instance: Instance, name: str, *arguments: int) -> tuple[str, int]:
    """How a call ends, and what it costs."""
    before = instance.counter
    try:
        call(instance, name, *arguments)
    except Trap as trap:
        return trap.reason, before - instance.counter
    except OutOfInstructions:
        return "out of instructions", before - instance.counter
    return "returns", before - instance.counter


@pytest.fixture(scope="session")
def run():
    """The cost and end of one call of a function `go` of a module in text."""

    def run_text(text: str, *arguments: int, **options: object) -> tuple[str, int]:
        return outcome(fresh(compiled(text), **options), "go", *arguments)

    return run_text


@pytest.fixture(scope="session")
def make():
    """A fresh instance of a module in text."""

    def make_text(text: str, **options: object) -> Instance:
        return fresh(compiled(text), **options)

    return make_text


@pytest.fixture(scope="session")
def facts() -> Path:
    """The folder with the facts."""
    return FACTS
