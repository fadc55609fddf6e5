"""
The memories that rewriting adds to a module: the system memory, and one for stable memory if the module uses it.

Both have their final size from the start, so they never move; what is never touched takes addresses only. Nearly all
canisters get on with a stable memory of 4 GiB. One that outgrows it runs in a variant of its module that has room for
as much as the profile allows: so many addresses could not be set aside for every instance.
"""

from typing import Final

from reference_impl.wasm.layout.encoding import HEADER, Reader, section, sections, unsigned, vector
from reference_impl.wasm.layout.fast_functions import PAGES
from reference_impl.wasm.layout.parsed_module import MEMORY
from spec.values.quantities import Count

USUAL_STABLE_PAGES: Final[Count] = 65536
"""The room for stable memory that modules have at first, in WebAssembly pages."""

MOST_STABLE_PAGES: Final[Count] = 2**25
"""The most room there ever is: 2 TiB, above what production allows. A process has addresses for a few dozen."""

_STABLE_PAGES_PER_SYSTEM_PAGE: Final[Count] = 1024
"""Each 4 KiB page of stable memory has 4 bytes in the system memory."""

_FIXED, _FIXED_64_BIT = b"\x01", b"\x05"


def added_memories(stable_pages: Count) -> list[bytes]:
    """The entries in the section of memories; without stable memory if it has no pages."""
    system_pages = unsigned(PAGES + -(-stable_pages // _STABLE_PAGES_PER_SYSTEM_PAGE))
    stable = unsigned(stable_pages)
    system = [_FIXED + system_pages + system_pages]
    return [*system, _FIXED_64_BIT + stable + stable] if stable_pages else system


def with_stable_pages(rewritten: bytes, stable_pages: Count) -> bytes:
    """A rewritten module that uses stable memory, with room for this much."""
    return HEADER + b"".join(
        section(one.section_id, _resized(one.content, stable_pages) if one.section_id == MEMORY else one.content)
        for one in sections(rewritten)
    )


def _resized(memories: bytes, stable_pages: Count) -> bytes:
    reader = Reader(memories)
    reader.unsigned()
    start = reader.position
    has_maximum = reader.byte() & 1
    for _ in range(1 + has_maximum):
        reader.unsigned()
    return vector([memories[start : reader.position], *added_memories(stable_pages)])
