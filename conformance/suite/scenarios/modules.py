"""Which modules can be installed: encoding, imports, exports, sections, sizes."""

import gzip
from collections.abc import Callable, Iterable

from conformance.canisters.library import load
from conformance.canisters.scripted import program, reply
from conformance.judging.patterns import fails, rejects, replies_with
from conformance.protocol.interface import Needs
from conformance.suite.scenario import scenario
from conformance.suite.scenarios.chunks import digest
from conformance.suite.scenarios.management_calls import DONE, status_of
from conformance.suite.scenarios.preparations import scripted
from conformance.suite.stage import Stage
from spec.values import management
from spec.values.identifiers import Blob, Text
from spec.values.leb128 import encode_unsigned
from spec.values.rejects import RejectCode, RejectReason

TYPES = (b"\x60\0\0", b"\x60\x01\x7f\0", b"\x60\x02\x7f\x7f\0", b"\x60\0\x01\x7f", b"\x60\x02\x7e\x7e\0")
"""Types of functions: no parameters and results, one or two of 32 bits, a result, two of 64 bits."""
UNIT, ONE, PAIR, RESULT, WIDE_PAIR = range(5)

FUNCTION, MEMORY = b"\x00", b"\x02"
END = b"\x0b"


def vector(items: Iterable[Blob]) -> Blob:
    """The number of items, then the items."""
    each = list(items)
    return encode_unsigned(len(each)) + b"".join(each)


def text(content: Blob) -> Blob:
    """A name."""
    return encode_unsigned(len(content)) + content


def part(identifier: int, content: Blob) -> Blob:
    """A section."""
    return bytes([identifier]) + encode_unsigned(len(content)) + content


def custom(name: Blob, content: Blob = b"") -> Blob:
    """A custom section."""
    return part(0, text(name) + content)


def module(
    *,
    types: Iterable[Blob] = TYPES,
    imports: Iterable[tuple[Blob, Blob, int]] = (),
    functions: Iterable[tuple[int, Blob]] = (),
    memories: Iterable[Blob] = (),
    global_count: int = 0,
    are_globals_mutable: bool = False,
    exports: Iterable[tuple[Blob, int]] = (),
    start: int | None = None,
    customs: Iterable[Blob] = (),
) -> Blob:
    """A binary module; exports are functions."""
    defined = list(functions)
    sections = [
        part(1, vector(types)),
        part(2, vector(text(space) + text(name) + b"\x00" + encode_unsigned(kind) for space, name, kind in imports)),
        part(3, vector(encode_unsigned(kind) for kind, _ in defined)),
        part(5, vector(memories)),
        part(6, vector([b"\x7f" + bytes([are_globals_mutable]) + b"\x41\x00\x0b"] * global_count)),
        part(7, vector(text(name) + b"\x00" + encode_unsigned(index) for name, index in exports)),
        b"" if start is None else part(8, encode_unsigned(start)),
        part(10, vector(encode_unsigned(len(body) + 2) + b"\x00" + body + END for _, body in defined)),
    ]
    return b"\0asm\x01\0\0\0" + b"".join(sections) + b"".join(customs)


NOTHING = (UNIT, b"")
ANSWERING = module(
    imports=[(b"ic0", b"msg_reply", UNIT)], functions=[(UNIT, b"\x10\x00")], exports=[(b"canister_update update", 1)]
)
"""A module with an update method that replies with nothing."""


ZERO, OTHERWISE_TRAP = b"\x41\x00", b"\x47\x04\x40\x00\x0b"
LONGER = (
    # Of 1 and 2 the first is selected, with the number of types in two bytes.
    b"\x41\x01\x41\x02\x41\x01\x1c\x81\x00\x7f" + b"\x41\x01" + OTHERWISE_TRAP,
    # Four bytes are filled, with the number of the instruction in two bytes.
    ZERO + b"\x41\x07\x41\x04\xfc\x8b\x00\x00" + b"\x41\x03\x2d\x00\x00" + b"\x41\x07" + OTHERWISE_TRAP,
    # A lane of a vector, with both numbers in two bytes.
    b"\xfd\x8c\x00" + bytes(range(16)) + b"\xfd\x96\x00\x05" + b"\x41\x05" + OTHERWISE_TRAP,
    # Branches by tables that have no entry, with that number in two bytes, and very many.
    b"\x02\x40" + ZERO + b"\x0e\x80\x00\x00" + END,
    b"\x02\x40" + ZERO + b"\x0e\x80\x01" + bytes(129) + END,
)
"""Instructions with numbers in longer forms than they need, or with many; after each that it did what it should."""


@scenario(
    "Instructions may have their numbers in longer forms than they need",
    covers=("mgmt.install-code", "entry.update"),
)
def numbers_in_longer_forms(stage: Stage) -> None:
    for body in LONGER:
        # When
        code = module(
            imports=[(b"ic0", b"msg_reply", UNIT)],
            functions=[(UNIT, body + b"\x10\x00")],
            memories=[b"\0\1"],
            exports=[(b"canister_update update", 1)],
        )
        canister = stage.create()
        stage.expect(stage.install(canister, code), DONE)
        # Then
        stage.expect(stage.call(canister, b""), replies_with(b""))


def _refused(
    name: Text,
    title: Text,
    covers: tuple[Text, ...],
    bad: Blob | Callable[[], Blob],
    *,
    is_too_large: bool = False,
) -> None:
    """
    A module that must be refused or, if it is too large, may be: then the profile says which limits there are.

    One that takes a while to make is made when it is needed.
    """

    def script(stage: Stage) -> None:
        # Given
        canister = stage.create()
        # When
        answer = stage.install(canister, bad if isinstance(bad, bytes) else bad())
        # Then
        stage.expect(answer, fails(RejectReason.INVALID_MODULE))
        stage.require(status_of(stage, canister).module_hash is None, "nothing is installed")

    script.__name__ = name
    scenario(title, covers=(*covers, "unspec.fn.module-parsing"), needs=Needs(exact_costs=is_too_large))(script)


def _taken(name: Text, title: Text, covers: tuple[Text, ...], good: Blob) -> None:
    def script(stage: Stage) -> None:
        # Given
        canister = stage.create()
        # When
        answer = stage.install(canister, good)
        # Then
        stage.expect(answer, DONE)
        stage.require(status_of(stage, canister).module_hash == digest(good), "the hash is that of what was uploaded")
        stage.balance(canister)

    script.__name__ = name
    scenario(title, covers=covers)(script)


# Encoding

_taken("handmade", "A module by hand is a module", ("module.encoding",), ANSWERING)
_taken(
    "compressed",
    "A module may be compressed, and its hash is that of the compressed bytes",
    ("module.encoding", "seed2.module-stored"),
    gzip.compress(ANSWERING, mtime=0),
)
_refused(
    "compressed_nonsense",
    "Compressed bytes that are no module are refused",
    ("module.encoding",),
    gzip.compress(b"no", mtime=0),
)
_refused(
    "broken_compression",
    "A broken compression is refused",
    ("module.encoding",),
    gzip.compress(ANSWERING, mtime=0)[:-9],
)
_refused(
    "compressed_twice",
    "A module that is compressed twice is refused",
    ("module.encoding",),
    gzip.compress(gzip.compress(ANSWERING, mtime=0), mtime=0),
)
_refused(
    "other_version", "A module of another version of WebAssembly is refused", ("module.encoding",), b"\0asm\x02\0\0\0"
)
_refused(
    "no_validation",
    "A module whose functions do not validate is refused",
    ("module.encoding",),
    module(functions=[(UNIT, b"\x1a")]),
)
_refused(
    "bomb",
    "A module that is too large when unpacked is refused",
    ("error.wasm-module-too-large",),
    lambda: gzip.compress(bytes(2**20) * 101, mtime=0),
)

# Imports

_taken(
    "imports_nothing_else",
    "A module may import what it does not use",
    ("module.imports",),
    module(imports=[(b"ic0", b"msg_reply", UNIT), (b"ic0", b"debug_print", PAIR)]),
)
_refused(
    "import_of_other_type",
    "An import of another type than the System API gives it is refused",
    ("module.imports",),
    module(imports=[(b"ic0", b"debug_print", ONE)]),
)
_refused(
    "import_of_other_width",
    "An import with 64-bit pointers is refused where the memory has 32 bits",
    ("module.imports", "module.pointer-width", "api-general.pointer-width"),
    module(imports=[(b"ic0", b"debug_print", WIDE_PAIR)], memories=[b"\x00\x01"]),
)
_taken(
    "import_of_wide_pointers",
    "An import with 64-bit pointers is fine where the memory has 64 bits",
    ("module.imports", "module.pointer-width", "api-general.pointer-width"),
    module(imports=[(b"ic0", b"debug_print", WIDE_PAIR)], memories=[b"\x04\x01"]),
)
_refused(
    "narrow_import_of_wide",
    "An import with 32-bit pointers is refused where the memory has 64 bits",
    ("module.imports", "module.pointer-width"),
    module(imports=[(b"ic0", b"debug_print", PAIR)], memories=[b"\x04\x01"]),
)
_refused(
    "two_memories",
    "A module has at most one memory",
    ("module.one-memory",),
    module(memories=[b"\x00\x01", b"\x00\x01"]),
)

# Exports


def exporting(*names: Blob, kind: int = UNIT) -> Blob:
    """A module that exports the same function under some names."""
    body = b"\x41\x00" if kind == RESULT else b""
    return module(functions=[(kind, body)], exports=[(name, 0) for name in names])


for _hook in (
    "init",
    "pre_upgrade",
    "post_upgrade",
    "heartbeat",
    "global_timer",
    "inspect_message",
    "on_low_wasm_memory",
):
    _refused(
        f"{_hook}_with_result",
        f"A function canister_{_hook} with a result is refused",
        ("module.lifecycle-export-types",),
        exporting(f"canister_{_hook}".encode(), kind=RESULT),
    )
for _kind in ("update", "query", "composite_query"):
    _refused(
        f"{_kind}_with_parameter",
        f"A method exported as canister_{_kind} with a parameter is refused",
        ("module.method-export-types",),
        exporting(f"canister_{_kind} method".encode(), kind=ONE),
    )
_refused(
    "method_of_two_kinds",
    "A method is not both update and query",
    ("module.unique-methods", "error.duplicate-exports", "inv.method-names-disjoint"),
    exporting(b"canister_update method", b"canister_query method"),
)
_refused(
    "method_of_two_query_kinds",
    "A method is not both query and composite query",
    ("module.unique-methods", "error.duplicate-exports"),
    exporting(b"canister_query method", b"canister_composite_query method"),
)
_refused(
    "reserved_export",
    "An exported function whose name begins like those of the system is refused",
    ("module.reserved-export-prefix",),
    exporting(b"canister_something"),
)
_taken(
    "other_exports",
    "A module may export functions for itself",
    ("module.reserved-export-prefix",),
    exporting(b"run", b""),
)
_taken(
    "odd_method_names",
    "A method may have any name, even an empty one or one with spaces",
    ("module.method-export-types",),
    exporting(b"canister_update ", b"canister_query  a b ", "canister_query \u00fc".encode()),
)
_taken(
    "thousand_methods",
    "A module may have a thousand methods",
    ("module.limit.methods",),
    exporting(*(b"canister_query %d" % index for index in range(1_000))),
)
_refused(
    "too_many_methods",
    "A module with more than a thousand methods is refused",
    ("module.limit.methods", "error.too-many-methods"),
    exporting(*(b"canister_query %d" % index for index in range(1_001))),
    is_too_large=True,
)
_taken(
    "long_method_names",
    "The names of methods may have 20000 bytes together",
    ("module.limit.method-name-length",),
    exporting(b"canister_query " + b"q" * 12_000, b"canister_update " + b"u" * 8_000),
)
_refused(
    "too_long_method_names",
    "A module whose methods' names have more than 20000 bytes together is refused",
    ("module.limit.method-name-length", "error.method-name-sum"),
    exporting(b"canister_query " + b"q" * 12_000, b"canister_update " + b"u" * 8_001),
    is_too_large=True,
)

# Sections

_refused(
    "public_and_private",
    "Metadata are not both public and private",
    ("module.custom-section-conflict",),
    module(customs=[custom(b"icp:public name"), custom(b"icp:private name")]),
)
_refused(
    "odd_metadata",
    "Other sections that begin with icp: are refused",
    ("module.custom-section-prefix",),
    module(customs=[custom(b"icp:other name")]),
)
_taken(
    "free_sections",
    "A module may have other custom sections",
    ("module.custom-section-prefix",),
    module(customs=[custom(b"name"), custom(b"name")]),
)
_taken(
    "sixteen_sections",
    "A module may have sixteen sections with metadata",
    ("module.limit.custom-sections",),
    module(customs=[custom(b"icp:public %d" % index) for index in range(16)]),
)
_refused(
    "too_many_sections",
    "A module with more than sixteen sections with metadata is refused",
    ("module.limit.custom-sections",),
    module(customs=[custom(b"icp:public %d" % index) for index in range(17)]),
    is_too_large=True,
)
_taken(
    "large_metadata",
    "Metadata may have 1 MiB",
    ("module.limit.custom-section-size",),
    module(customs=[custom(b"icp:private m", bytes(2**20 - 1))]),
)
_refused(
    "too_large_metadata",
    "A module with more than 1 MiB of metadata is refused",
    ("module.limit.custom-section-size",),
    module(customs=[custom(b"icp:private m", bytes(2**20))]),
    is_too_large=True,
)

# Sizes

_taken(
    "thousand_globals", "A module may have a thousand globals", ("module.limit.globals",), module(global_count=1_000)
)
_refused(
    "too_many_globals",
    "A module with more than a thousand globals is refused",
    ("module.limit.globals", "error.too-many-globals"),
    module(global_count=1_001),
    is_too_large=True,
)
_refused(
    "too_many_functions",
    "A module with more than 50000 functions is refused",
    ("module.limit.functions", "error.too-many-functions"),
    module(functions=[NOTHING] * 50_001),
    is_too_large=True,
)


# What modules do when they are installed


@scenario(
    "A start function runs when the module is instantiated, before canister_init",
    covers=("entry.start", "module.start-function"),
)
def start_function(stage: Stage) -> None:
    # Given
    canister = stage.create()
    trapping = module(functions=[(UNIT, b"\x00")], start=0)
    # When
    trapped = stage.install(canister, trapping)
    fine = stage.install(canister, module(functions=[NOTHING], start=0))
    # Then
    stage.expect(trapped, fails(RejectReason.CANISTER_TRAPPED))
    stage.expect(fine, DONE)


@scenario(
    "A start function cannot use the System API", covers=("entry.start", "entry.mode-matrix", "error.wrong-context")
)
def start_without_system(stage: Stage) -> None:
    # Given
    canister = stage.create()
    calling = module(imports=[(b"ic0", b"msg_reply", UNIT)], functions=[(UNIT, b"\x10\x00")], start=1)
    # Then
    stage.expect(stage.install(canister, calling), fails(RejectReason.CANISTER_TRAPPED))


@scenario(
    "A canister without canister_init is installed with any argument, which nobody reads",
    covers=("entry.init", "rule.mgmt.install-code.effects"),
)
def without_init(stage: Stage) -> None:
    # Given
    canister = stage.create()
    # Then
    stage.expect(stage.install(canister, ANSWERING, b"any argument"), DONE)
    stage.expect(stage.call(canister, b""), replies_with(b""))


@scenario("Division by zero ends an execution like a trap", covers=("error.trapped",))
def division(stage: Stage) -> None:
    # Given
    dividing = module(functions=[(UNIT, b"\x41\x01\x41\x00\x6d\x1a")], exports=[(b"canister_update update", 0)])
    canister = stage.create_with_code(dividing)
    # Then
    stage.expect(stage.call(canister, b""), rejects(RejectCode.CANISTER_ERROR, RejectReason.CANISTER_TRAPPED))
    stage.balance(canister)


@scenario(
    "An upgrade to a module with fewer methods takes the others away",
    covers=("rule.mgmt.upgrade.effects", "error.method-not-found"),
)
def fewer_methods(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    stage.expect(stage.install(canister, ANSWERING, mode=management.UpgradeMode()), DONE)
    # Then
    stage.expect(stage.call(canister, b""), replies_with(b""))
    stage.expect(stage.call(canister, b"", "also_update"), fails(RejectReason.METHOD_NOT_FOUND))


@scenario(
    "A refused module leaves what was installed as it was",
    covers=("inv.atomic.install-code", "inv.atomic.upgrade"),
)
def refused_upgrade(stage: Stage) -> None:
    # Given
    canister = scripted(stage)
    # When
    upgrade = stage.install(canister, b"no module", mode=management.UpgradeMode())
    reinstall = stage.install(canister, b"no module", mode=management.ReinstallMode())
    # Then
    for answer in (upgrade, reinstall):
        stage.expect(answer, fails(RejectReason.INVALID_MODULE))
    stage.expect(stage.call(canister, program(reply(b"as it was"))), replies_with(b"as it was"))
    stage.require(status_of(stage, canister).module_hash == digest(load("scripted")), "the module is as it was")
