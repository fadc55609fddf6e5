"""What a module must fulfil to be a canister's. Source: canister-interface, WebAssembly module requirements."""

import zlib
from typing import Final

from attrs import frozen

from reference_impl.wasm.layout.encoding import Malformed
from reference_impl.wasm.layout.parsed_module import (
    CODE,
    KIND_FUNCTION,
    VALUE_SIZES,
    FunctionType,
    ParsedModule,
)
from reference_impl.wasm.layout.system_functions import import_types
from spec.profile import Limits
from spec.values.identifiers import Blob, MethodName, Text
from spec.values.quantities import WASM_PAGE

GZIP: Final = b"\x1f\x8b\x08"
"""How a compressed module starts. Source: canister-interface, canister module format."""

ENTRY_POINTS: Final = frozenset(
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
LARGEST_TABLE: Final = 10_000_000
"""Elements of all tables together. Source: errata, how large the parts of a module may be; so are the next three."""
MOST_TYPES: Final = 900_000
LARGEST_TYPE: Final = 990_000
MOST_CUSTOM_SECTIONS: Final = 100_000
METHOD_KINDS: Final = ("canister_update ", "canister_query ", "canister_composite_query ")
PUBLIC, PRIVATE = "icp:public ", "icp:private "
_NOTHING: Final = FunctionType(b"", b"")


@frozen
class Methods:
    """The names of the exported methods."""

    update: frozenset[MethodName]
    query: frozenset[MethodName]
    composite_query: frozenset[MethodName]


@frozen
class CustomSections:
    """The contents of the custom sections for the Internet Computer, by name."""

    public: dict[Text, Blob]
    private: dict[Text, Blob]


def unpacked(raw: Blob, limits: Limits) -> Blob:
    """The binary module, decompressed if need be. Raises `Malformed` if it is too large or not well compressed."""
    module = _decompressed(raw, limits.module_size) if raw.startswith(GZIP) else raw
    if len(module) > limits.module_size:
        raise Malformed(f"the module is larger than {limits.module_size} bytes")
    return module


def _decompressed(raw: Blob, most: int) -> Blob:
    parts, size, rest = [], 0, raw
    while rest:
        # 31: a gzip stream with the largest window.
        member = zlib.decompressobj(31)
        try:
            part = member.decompress(rest, most - size + 1)
        except zlib.error:
            raise Malformed("the module is not a valid gzip stream") from None
        parts.append(part)
        size += len(part)
        if size > most:
            raise Malformed(f"the module is larger than {most} bytes")
        if not member.eof:
            raise Malformed("the module is not a valid gzip stream")
        rest = member.unused_data
    return b"".join(parts)


def check_sizes(parsed: ParsedModule, limits: Limits) -> None:
    """Raises `Malformed` if the module has too much of something, or places segments outside."""
    if len(parsed.function_types) > limits.functions:
        raise Malformed(f"the module defines {len(parsed.function_types)} functions, more than {limits.functions}")
    if len(parsed.globals) > limits.globals:
        raise Malformed(f"the module defines {len(parsed.globals)} globals, more than {limits.globals}")
    code_size = len(parsed.raw_sections.get(CODE, b""))
    if code_size > limits.code_section_size:
        raise Malformed(f"the code section has {code_size} bytes, more than {limits.code_section_size}")
    _check_memory(parsed, limits)
    elements = sum(table.limits.minimum for table in parsed.tables)
    for what, number, limit in (
        ("elements in tables", elements, LARGEST_TABLE),
        ("types", len(parsed.types), MOST_TYPES),
        ("parts in the types of imports and exports", _parts(parsed), LARGEST_TYPE),
        ("custom sections", len(parsed.custom_sections), MOST_CUSTOM_SECTIONS),
    ):
        if number > limit:
            raise Malformed(f"the module has {number} {what}, more than {limit}")
    for segment in parsed.element_segments:
        limit = parsed.tables[segment.table].limits.minimum if segment.offset is not None else 0
        if segment.offset is not None and segment.offset + segment.length > limit:
            raise Malformed("an element segment does not fit its table")


def _parts(parsed: ParsedModule) -> int:
    """What imports and exports declare: two and its parameters and results for a function, one for anything else."""

    def parts(type_index: int) -> int:
        one = parsed.types[type_index]
        return 2 + len(one.parameters) + len(one.results)

    types = [one.type_index for one in parsed.imports] + parsed.function_types
    exported = sum(parts(types[one.index]) if one.kind == KIND_FUNCTION else 1 for one in parsed.exports)
    return 1 + sum(parts(one.type_index) for one in parsed.imports) + exported


def check_globals(parsed: ParsedModule) -> None:
    """Raises `Malformed` if a global whose value is kept between executions holds a reference."""
    for index in parsed.persistent_globals():
        if parsed.globals[index].value_type not in VALUE_SIZES:
            raise Malformed("a global that is mutable or exported holds a reference")


def most_pages(parsed: ParsedModule, limits: Limits) -> int:
    """How many pages the heap may have."""
    return (limits.wasm_memory_64 if parsed.has_64_bit_memory else limits.wasm_memory_32) // WASM_PAGE


def takes_pages_for_upgrades(parsed: ParsedModule, pages: int, limits: Limits) -> bool:
    """The heap of an old Motoko module has so many pages that the module could not be upgraded any more."""
    return pages > most_pages(parsed, limits) - limits.pages_kept_from_old_motoko


def is_old_motoko(parsed: ParsedModule) -> bool:
    """The module was made by a compiler of Motoko that copies the heap at upgrades."""
    if parsed.has_64_bit_memory:
        return False
    sections = {name for name, _ in parsed.custom_sections}
    is_motoko = "canister_update __motoko_async_helper" in parsed.exported_functions()
    return is_motoko and sections.isdisjoint(f"icp:{kind} motoko:compiler" for kind in ("public", "private"))


def _check_memory(parsed: ParsedModule, limits: Limits) -> None:
    pages = parsed.memory.minimum if parsed.memory else 0
    if pages > most_pages(parsed, limits):
        raise Malformed(f"the memory starts with {pages} pages, more than {most_pages(parsed, limits)}")
    for segment in parsed.data_segments:
        if segment.offset is not None and segment.offset + len(segment.content) > pages * WASM_PAGE:
            raise Malformed("a data segment does not fit the memory")


def check_imports(parsed: ParsedModule) -> None:
    """Raises `Malformed` if a function is imported that the System API does not have with this type."""
    known = import_types(parsed.has_64_bit_memory)
    for one in parsed.imports:
        where = f"{one.module}.{one.name}"
        if one.module != "ic0" or one.name not in known:
            raise Malformed(f"the import {where} is not known")
        if parsed.types[one.type_index] != known[one.name]:
            raise Malformed(f"the import {where} has the wrong type")


def exported_methods(parsed: ParsedModule, limits: Limits) -> Methods:
    """The exported methods. Raises `Malformed` if an entry point has a wrong name or type, or there are too many."""
    kinds: dict[str, list[MethodName]] = {kind: [] for kind in METHOD_KINDS}
    seen: set[MethodName] = set()
    for export in parsed.exports:
        if export.kind != KIND_FUNCTION:
            continue
        if len(export.name.encode()) > limits.function_name:
            raise Malformed(f"the name of an exported function is longer than {limits.function_name} bytes")
        if not export.name.startswith("canister_"):
            continue
        kind = next((kind for kind in METHOD_KINDS if export.name.startswith(kind)), None)
        if kind is None and export.name not in ENTRY_POINTS:
            raise Malformed(f"the export {export.name!r} has a reserved name")
        if parsed.type_of_function(export.index) != _NOTHING:
            raise Malformed(f"the export {export.name!r} has parameters or results")
        if kind is not None:
            method = export.name.removeprefix(kind)
            if method in seen:
                raise Malformed(f"the method {method!r} is exported more than once")
            seen.add(method)
            kinds[kind].append(method)
    if len(seen) > limits.exported_methods:
        raise Malformed(f"the module exports {len(seen)} methods, more than {limits.exported_methods}")
    length = sum(len(method.encode()) for method in seen)
    if length > limits.exported_method_names:
        raise Malformed(f"the method names have {length} bytes together, more than {limits.exported_method_names}")
    return Methods(*(frozenset(kinds[kind]) for kind in METHOD_KINDS))


def canister_sections(parsed: ParsedModule, limits: Limits) -> CustomSections:
    """The custom sections that the system shows. Raises `Malformed` for a wrong or repeated name, or too much."""
    public: dict[Text, Blob] = {}
    private: dict[Text, Blob] = {}
    size = 0
    for full_name, content in parsed.custom_sections:
        if not full_name.startswith("icp:"):
            continue
        prefix = next((prefix for prefix in (PUBLIC, PRIVATE) if full_name.startswith(prefix)), None)
        if prefix is None:
            raise Malformed(f"the custom section {full_name!r} has a reserved name")
        name = full_name.removeprefix(prefix)
        if name in public or name in private:
            raise Malformed(f"there are two custom sections named {name!r}")
        (public if prefix == PUBLIC else private)[name] = content
        size += len(name.encode()) + len(content)
    if len(public) + len(private) > limits.custom_sections:
        raise Malformed(f"the module has more than {limits.custom_sections} custom sections with the prefix icp:")
    if size > limits.custom_sections_size:
        raise Malformed(f"the custom sections have {size} bytes, more than {limits.custom_sections_size}")
    return CustomSections(public, private)
