"""
What a WebAssembly module must be to be the code of a canister.

Source: canister-interface, canister module format and WebAssembly module requirements; facts on limits. Each
requirement is a function of the module that tells what is wrong, or None.
"""

import zlib
from collections.abc import Iterable
from typing import Final

from attrs import frozen

from spec.canister.module import MalformedModule
from spec.profile import Limits, Profile
from spec.system_api.accepted_modules import Accepted, current_register
from spec.system_api.compilation import instructions_to_compile
from spec.system_api.complexity import complexity
from spec.system_api.engine_limits import ROOM_FOR_COUNTING, engine_violation
from spec.system_api.host import MODULE
from spec.system_api.run import maximum_memory_pages
from spec.system_api.table import IMPORTS
from spec.values.checklist import defines
from spec.values.containers import Map
from spec.values.identifiers import Blob, MethodName, Text
from spec.values.quantities import ByteCount
from spec.wasm.binary import decode
from spec.wasm.decoding_limits import DecodingLimits
from spec.wasm.reader import Malformed, TooLarge
from spec.wasm.store import LARGEST_TABLE
from spec.wasm.syntax import ExternalKind, FunctionType, Module
from spec.wasm.validate import validate
from spec.wasm.validate_stacks import Invalid

GZIP: Final = b"\x1f\x8b\x08"
"""How a compressed module starts."""

HOOKS: Final = frozenset(
    {
        "canister_init",
        "canister_inspect_message",
        "canister_pre_upgrade",
        "canister_post_upgrade",
        "canister_heartbeat",
        "canister_global_timer",
        "canister_on_low_wasm_memory",
    }
)
"""Entry points without a name of their own."""

SMALLEST_PIECE: Final = 64
"""So many bytes of a gzip stream are decompressed at first. Compressing nothing takes 20."""

UPDATE: Final = "canister_update "
QUERY: Final = "canister_query "
COMPOSITE_QUERY: Final = "canister_composite_query "
METHOD_KINDS: Final = (UPDATE, QUERY, COMPOSITE_QUERY)

PUBLIC: Final = "icp:public "
PRIVATE: Final = "icp:private "

UNSUPPORTED_INSTRUCTIONS: Final = frozenset({"table.copy", "table.fill", "table.grow", "table.init", "table.set"})
"""Production does not install modules with these. Source: facts on weights."""


@frozen
class DecodedModule:
    """A module that fulfils all requirements."""

    module: Module
    methods: tuple[tuple[Text, MethodName], ...]
    """Pairs of kind and name of the exported methods, in the order of the exports."""
    public_custom_sections: Map[Text, Blob]
    private_custom_sections: Map[Text, Blob]
    known: Accepted | None = None
    """What is known of it, if it was accepted before."""


def decode_module(raw: Blob, profile: Profile) -> DecodedModule | MalformedModule:
    """Decodes a module, compressed or not, and checks every requirement."""
    limits = profile.limits
    binary = uncompressed(raw, limits.module_size)
    if isinstance(binary, MalformedModule):
        return binary
    register = current_register()
    known = register.find(binary, limits)
    if known is not None:
        return _decoded(decode(binary, decoding_limits(limits), is_known=True), known)
    try:
        module = decode(binary, decoding_limits(limits))
        validate(module)
    except TooLarge as too_large:
        return MalformedModule(too_large.reason)
    except Malformed as malformed:
        return MalformedModule(f"not a WebAssembly binary: {malformed}")
    except Invalid as invalid:
        return MalformedModule(f"not a valid WebAssembly module: {invalid}")
    because = first_violation(module, limits)
    if because is not None:
        return MalformedModule(because)
    register.enter(binary, limits, lambda: Accepted(instructions_to_compile(module)))
    return _decoded(module, None)


def _decoded(module: Module, known: Accepted | None) -> DecodedModule:
    return DecodedModule(
        module=module,
        methods=methods(module),
        public_custom_sections=custom_sections(module, PUBLIC),
        private_custom_sections=custom_sections(module, PRIVATE),
        known=known,
    )


# The encoding.


@defines("module.encoding", "error.wasm-module-too-large")
def uncompressed(raw: Blob, largest: ByteCount) -> Blob | MalformedModule:
    """The binary, of a gzip stream the decompressed contents. Never produces more than the largest size and a byte."""
    binary = raw
    if raw.startswith(GZIP):
        try:
            binary = _gunzip(raw, largest)
        except (zlib.error, EOFError) as problem:
            return MalformedModule(f"not a gzip stream: {problem}")
    if len(binary) > largest:
        return MalformedModule(f"the module has more than {largest} bytes")
    return binary


@defines(
    "module.limit.functions",
    "module.limit.globals",
    "error.too-many-functions",
    "error.too-many-globals",
    "error.function-too-large",
    "error.code-section-too-large",
    "unspec.error.module-limits",
)
def decoding_limits(limits: Limits) -> DecodingLimits:
    """The limits that the decoder checks by itself, so that it does not go on with a module that is too large."""
    return DecodingLimits(
        functions=limits.functions,
        globals=limits.globals,
        code_section_size=limits.code_section_size,
        function_instructions=limits.function_instructions,
        room_for_counting=ROOM_FOR_COUNTING,
    )


def _gunzip(raw: Blob, largest: ByteCount) -> Blob:
    """A gzip stream is a sequence of members. Stops early once there is more than the largest size."""
    binary = bytearray()
    position = 0
    while position < len(raw) and len(binary) <= largest:
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        # Ever larger pieces: what a piece holds behind the end of its member is copied.
        piece = SMALLEST_PIECE
        while not member.eof and len(binary) <= largest:
            if position >= len(raw):
                raise EOFError("it ends too early")
            binary += member.decompress(raw[position : position + piece], largest + 1 - len(binary))
            position += min(piece, len(raw) - position)
            piece *= 2
        position -= len(member.unused_data)
    return bytes(binary)


# The requirements.


def first_violation(module: Module, limits: Limits) -> Text | None:
    """The first requirement that the module does not fulfil."""
    found = (
        memory_violation(module, limits),
        table_violation(module),
        global_violation(module),
        import_violation(module),
        export_violation(module),
        custom_section_violation(module),
        engine_violation(module),
        size_violation(module, limits),
        instruction_violation(module, limits),
    )
    return next((because for because in found if because is not None), None)


@defines("module.one-memory")
def memory_violation(module: Module, limits: Limits) -> Text | None:
    """At most one memory is declared, and it starts no larger than it may become."""
    if len(module.memories) > 1:
        return "the module declares more than one memory"
    largest = maximum_memory_pages(limits, module.has_64_bit_memory)
    if any(memory.limits.minimum > largest for memory in module.memories):
        return f"the memory starts with more than {largest} pages"
    return None


def table_violation(module: Module) -> Text | None:
    """
    The tables together start with no more elements than a table may have.

    Ours: production has that limit for each table. It keeps what an execution needs in bounds.
    """
    elements = sum(table.limits.minimum for table in module.tables)
    return f"{elements} elements in tables; {LARGEST_TABLE} are allowed" if elements > LARGEST_TABLE else None


def global_violation(module: Module) -> Text | None:
    """
    Globals that are mutable or exported, and so outlive an execution, hold numbers.

    Ours: the interface specification says nothing of references there.
    """
    exported = {entry.index for entry in module.exports if entry.kind is ExternalKind.GLOBAL}
    for index, declared in enumerate(module.globals):
        if declared.value_type.is_reference and (declared.is_mutable or index in exported):
            return f"global {index} is mutable or exported and holds a reference"
    return None


@defines("module.imports", "api-general.pointer-width", "unspec.env.interface-outlook")
def import_violation(module: Module) -> Text | None:
    """
    Only listed functions are imported, with the right types for the width of pointers.

    So nothing is of the later interface, of module `ic`, at which the section on host references looks out.
    """
    for entry in module.imports:
        name = f"{entry.module}.{entry.name}"
        row = IMPORTS.get(entry.name) if entry.module == MODULE else None
        if not isinstance(entry.description, int):
            return f"the import {name} is not a function"
        if row is None:
            return f"there is no system function {name}"
        if row.only_32_bit and module.has_64_bit_memory:
            return f"{name} does not exist for modules with 64-bit memory"
        expected, given = row.type(module.has_64_bit_memory), module.types[entry.description]
        if expected != given:
            return f"{name} has type {expected}, not {given}"
    return None


@defines(
    "module.lifecycle-export-types",
    "module.method-export-types",
    "module.unique-methods",
    "module.reserved-export-prefix",
    "error.duplicate-exports",
)
def export_violation(module: Module) -> Text | None:
    """Entry points have type () -> (), names of methods are unique, and no other `canister_` function is exported."""
    for name, index in _exported_functions(module):
        if not name.startswith("canister_"):
            continue
        if name not in HOOKS and not name.startswith(METHOD_KINDS):
            return f"{name!r} is not an entry point"
        if module.function_type(index) != FunctionType():
            return f"the entry point {name!r} has parameters or results"
    repeated = _first_repeated(name for _, name in methods(module))
    return None if repeated is None else f"the method {repeated!r} is exported more than once"


@defines("module.custom-section-conflict", "module.custom-section-prefix", "module.candid-section")
def custom_section_violation(module: Module) -> Text | None:
    """Of the sections with prefix `icp:` each is public or private, and none has the name of another one."""
    names = [section.name for section in module.custom_sections if section.name.startswith("icp:")]
    for name in names:
        if not name.startswith((PUBLIC, PRIVATE)):
            return f"the custom section {name!r} is neither public nor private"
    repeated = _first_repeated(name.split(" ", 1)[1] for name in names)
    return None if repeated is None else f"there is more than one custom section {repeated!r}"


@defines(
    "module.limit.methods",
    "module.limit.method-name-length",
    "module.limit.custom-sections",
    "module.limit.custom-section-size",
    "error.too-many-methods",
    "error.method-name-sum",
    "error.function-name-too-large",
    "unspec.error.module-limits",
)
def size_violation(module: Module, limits: Limits) -> Text | None:
    """The module declares no more than it may. Functions, globals and instructions are counted by the decoder."""
    names = [name.encode() for _, name in methods(module)]
    sections = [section for section in module.custom_sections if section.name.startswith((PUBLIC, PRIVATE))]
    section_bytes = sum(len(section.name.split(" ", 1)[1].encode()) + len(section.content) for section in sections)
    longest_name = max((len(name.encode()) for name, _ in _exported_functions(module)), default=0)
    for what, number, limit in (
        ("exported methods", len(names), limits.exported_methods),
        ("bytes of method names", sum(map(len, names)), limits.exported_method_names),
        ("bytes in the name of a function", longest_name, limits.function_name),
        ("custom sections", len(sections), limits.custom_sections),
        ("bytes of custom sections", section_bytes, limits.custom_sections_size),
    ):
        if number > limit:
            return f"{number} {what}; {limit} are allowed"
    return None


@defines("error.function-complexity")
def instruction_violation(module: Module, limits: Limits) -> Text | None:
    """No function is too complex, or contains an instruction that is not supported."""
    for number, function in enumerate(module.functions, len(module.imported_functions)):
        if complexity(function) > limits.function_complexity:
            return f"function {number} is more complex than {limits.function_complexity}"
        # In the order in which they come first in the body.
        for opcode in function.counted_instructions():
            if opcode.name in UNSUPPORTED_INSTRUCTIONS:
                return f"function {number} contains {opcode.name}, which is not supported"
    return None


# What the exports and custom sections say.


@defines("module.method-export-types")
def methods(module: Module) -> tuple[tuple[Text, MethodName], ...]:
    """Pairs of kind and name of the exported methods. The name is everything after the one space."""
    return tuple(
        (kind, name.removeprefix(kind))
        for name, _ in _exported_functions(module)
        for kind in METHOD_KINDS
        if name.startswith(kind)
    )


def custom_sections(module: Module, prefix: Text) -> Map[Text, Blob]:
    """The contents of the custom sections with a prefix, by the rest of their name."""
    sections = (section for section in module.custom_sections if section.name.startswith(prefix))
    return Map.of((section.name.removeprefix(prefix), section.content) for section in sections)


def _exported_functions(module: Module) -> list[tuple[Text, int]]:
    return [(entry.name, entry.index) for entry in module.exports if entry.kind is ExternalKind.FUNCTION]


def _first_repeated(names: Iterable[Text]) -> Text | None:
    seen: set[Text] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
