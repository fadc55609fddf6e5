"""Every instruction on memory, within its bounds, at them and beyond, with addresses of 32 and of 64 bits."""

from collections.abc import Iterable, Iterator

from conformance.canisters.instruction_results import Run
from conformance.canisters.instructions import PAGES, PATTERN, SHOWN_BYTES, Operation, operations
from conformance.canisters.library import load
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.webassembly import COVERS, run_all, run_together
from conformance.suite.stage import Stage
from spec.values.identifiers import Text
from spec.values.quantities import WASM_PAGE

END = PAGES * WASM_PAGE
"""The size of the memory."""

WINDOWS = (64, 4_096 - 16, WASM_PAGE - 16, END - SHOWN_BYTES)
"""What is shown: inside a page, over the bounds of small and large pages, and at the end."""

VALUE = 0xF1E2_D3C4_B5A6_9788_7F6E_5D4C_3B2A_1908
"""What is stored."""


def number_of_bytes(operation: Operation) -> int:
    """How many bytes a load or store is about."""
    kind, _, name = operation.opcode.partition(".")
    digits = "".join(each if each.isdigit() else " " for each in name).split()
    if "x" in name:
        return 8
    return int(digits[0]) // 8 if digits else {"i32": 4, "f32": 4, "i64": 8, "f64": 8, "v128": 16}[kind]


def offset_of(operation: Operation) -> int:
    """What a load or store adds to the address."""
    return int(operation.name.partition("offset=")[2].partition(" ")[0])


def accesses(bits: int) -> Iterator[tuple[int, Operation]]:
    """The loads and stores, with their indices."""
    for index, operation in enumerate(operations(bits)):
        if "offset=" in operation.name:
            yield index, operation


def access(index: int, operation: Operation, address: int, window: int, bits: int) -> Run:
    """A load or store at an address of so many bits."""
    value = VALUE % (1 << (128 if "v128" in operation.name else 32 if operation.opcode[1:3] == "32" else 64))
    operands = (address % (1 << bits), value if len(operation.operands) == 2 else 0, 0, window)
    return Run(operation, index, operands)


def within(bits: int) -> Iterator[Run]:
    """Loads and stores in every window, the last one up to the end of the memory."""
    for index, operation in accesses(bits):
        offset = offset_of(operation)
        for window in WINDOWS if offset <= min(WINDOWS) else ():
            for place in (0, 5, SHOWN_BYTES - number_of_bytes(operation)):
                yield access(index, operation, window + place - offset, window, bits)


def beyond(bits: int) -> Iterator[Run]:
    """Loads and stores of which the last byte is beyond the end, or whose address would be small if it wrapped."""
    for index, operation in accesses(bits):
        offset = offset_of(operation)
        if offset == 0:
            yield access(index, operation, END - number_of_bytes(operation) + 1, 64, bits)
        elif offset == 3:
            yield access(index, operation, -3, 64, bits)
        elif operation.opcode in ("i32.load8_u", "i64.load", "i32.store8", "i64.store", "v128.load", "v128.store"):
            yield access(index, operation, 1 + 64, 64, bits)
            yield access(index, operation, -1, 64, bits)


def _named(bits: int, name: Text) -> tuple[int, Operation]:
    return next((place, each) for place, each in enumerate(operations(bits)) if each.name == name)


def stretches(bits: int) -> Iterator[Run]:
    """Copying, filling and initialising: what fits and what does not."""
    top = 1 << bits
    window = WASM_PAGE - 16
    last = END - SHOWN_BYTES
    cases: dict[Text, Iterable[tuple[int, int, int, int]]] = {
        "memory.copy": (
            (window + 4, window, 20, window),
            (window, window + 4, 20, window),
            (window, window, 32, window),
            (window + 1, window, 1, window),
            (last + 24, last, 8, last),
            (END, window, 0, last),
            (window, END, 0, last),
            (END, END, 0, last),
            # Beyond.
            (END + 1, window, 0, last),
            (window, END + 1, 0, last),
            (last + 28, last, 5, last),
            (window, END - 4, 5, window),
            (top - 8, window, 16, window),
            (window, top - 8, 16, window),
            (window, window, top - 1, window),
            (window, window + 8, top - window, window),
        ),
        "memory.fill": (
            (window + 3, 0xAB, 9, window),
            (window, 0x1FF, 32, window),
            (last, 7, 32, last),
            (END, 7, 0, last),
            (END + 1, 7, 0, last),
            (END - 1, 7, 2, last),
            (top - 8, 7, 16, window),
            (window, 7, top - window, window),
            (top - 1, 7, 1, window),
        ),
        "memory.init": (
            (window + 2, 2, 5, window),
            (window, 0, 16, window),
            (last + 16, 0, 16, last),
            (window, 16, 0, window),
            (END, 3, 0, last),
            (window, 17, 0, window),
            (window, 10, 7, window),
            (window, 2**32 - 1, 2, window),
            (window, 1, 2**32 - 1, window),
            (END - 2, 0, 4, last),
            (END + 1, 0, 0, last),
            (top - 2, 0, 4, window),
        ),
        "memory.init of an active segment": ((window, 0, 0, window), (window, 0, 1, window)),
    }
    for name, each in cases.items():
        index, operation = _named(bits, name)
        for operands in each:
            yield Run(operation, index, operands)
    # Reason: a segment that one run drops is gone for the others of the same call.
    dropping, operation = _named(bits, "memory.init after data.drop")
    yield Run(operation, dropping, (window, 0, 1, window))


def _scenarios(bits: int) -> None:
    def loads_and_stores(stage: Stage) -> None:
        run_all(stage, bits, list(within(bits)))

    def out_of_bounds(stage: Stage) -> None:
        run_all(stage, bits, list(beyond(bits)))

    def bulk(stage: Stage) -> None:
        run_all(stage, bits, list(stretches(bits)))

    def growing(stage: Stage) -> None:
        # Given
        canister = stage.create_with_code(load(f"instructions_{bits}"))
        refused = (1 << bits) - 1
        steps = (
            ("memory.size", 0, 24),
            ("memory.grow", 0, 24),
            ("memory.grow", 3, refused),
            ("memory.grow, then memory.size", 1, 25),
            ("memory.grow", 2, refused),
            ("memory.grow", 1, 25),
            ("memory.grow", 1, refused),
            ("memory.grow", 0, 26),
            ("memory.grow", 65_536, refused),
            ("memory.grow", refused, refused),
            ("memory.grow", 1 << bits - 1, refused),
            ("memory.size", 0, 26),
        )
        for name, pages, result in steps:
            # When
            index, operation = _named(bits, name)
            run = Run(operation, index, (pages, 0, 0, 64))
            # Then
            value = result.to_bytes(16, "little")
            run_together(stage, canister, [run], [value + PATTERN])

    words = f"addresses of {bits} bits"
    for script, title in (
        (loads_and_stores, f"Loads and stores move the right bytes, up to the end of the memory, with {words}"),
        (out_of_bounds, f"Loads and stores beyond the end trap, also where the sum would wrap, with {words}"),
        (bulk, f"Stretches of memory are copied, filled and initialised, or trap beyond the end, with {words}"),
        (growing, f"The memory grows to its maximum and tells the size before, with {words}"),
    ):
        script.__name__ = f"{script.__name__}_{bits}"
        scenario(title, covers=COVERS)(script)


for _bits in (32, 64):
    _scenarios(_bits)
