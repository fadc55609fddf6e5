"""
The code of the functions for stable memory that run inside the module.

The stable memory of the module is as large as it may become; its logical size is a cell. For each of its 4 KiB pages
there is a number that is the current epoch if this execution has read the page, and one more if it has written it;
every execution has an epoch of its own. The first write to a page enters it into the journal, which is how the host
knows what changed.
"""

from typing import Final

from reference_impl.wasm.layout.fast_functions import (
    ACCESSED,
    EPOCH,
    EPOCHS,
    JOURNAL,
    JOURNAL_ENTRIES,
    JOURNAL_LENGTH,
    MOST_ACCESSED,
    STABLE_MOST,
    STABLE_PAGES,
)
from reference_impl.wasm.rewriting.fast_text import (
    HEAP,
    STABLE,
    SYSTEM,
    FunctionText,
    both,
    cell,
    cell_32,
    fits,
    set_cell,
)
from spec.values.quantities import Count, Instructions

ACCESS: Final[Instructions] = 20
"""What an access costs beside its bytes. Source: facts on System API costs."""
PAGE_CHARGE: Final[Instructions] = 1000
"""For each 4 KiB page that is written for the first time. Source: facts on instruction weights, older page rule."""
LARGEST_32_BIT: Final[Count] = 65536
"""In WebAssembly pages; the 32-bit functions trap beyond. Source: facts on limits."""

_MOST_IN_ONE_CALL: Final[Count] = 4096
"""A call that touches more 4 KiB pages is left to the host."""

_LOCALS: Final = (
    "(local $size i64) (local $offset i64) (local $cost i64) (local $epoch i32) (local $first i32) (local $last i32)"
    "(local $page i32) (local $seen i32) (local $read i32) (local $written i32)"
)


def size(text: FunctionText) -> str:
    """The whole body of the function that gives the size."""
    pages = cell(STABLE_PAGES) if text.gives_64_bits else cell_32(STABLE_PAGES)
    return f"(if {both(text.is_plain, *_is_small(text))} (then (return {pages})))"


def _is_small(text: FunctionText) -> list[str]:
    """What a 32-bit function needs."""
    is_32_bit = text.function.only_32_bit
    return [f"(i64.le_u {cell(STABLE_PAGES)} (i64.const {LARGEST_32_BIT}))"] if is_32_bit else []


def grow(text: FunctionText) -> str:
    """Grows if the limit allows it."""
    sum_of_pages = f"(i64.add {cell(STABLE_PAGES)} {text.wide(0)})"
    most = cell(STABLE_MOST)
    conditions = [text.is_plain, f"(i64.le_u {text.wide(0)} {most})", f"(i64.le_u {sum_of_pages} {most})"]
    if text.function.only_32_bit:
        conditions.append(f"(i64.le_u {sum_of_pages} (i64.const {LARGEST_32_BIT}))")
    before = "(local.get $before)" if text.gives_64_bits else "(i32.wrap_i64 (local.get $before))"
    return f"""(local $before i64)
        (if {both(*conditions, text.affordable(text.fixed_cost))} (then
          {text.charge(text.fixed_cost)}
          (local.set $before {cell(STABLE_PAGES)})
          {set_cell(STABLE_PAGES, sum_of_pages)}
          (return {before})))"""


def read(text: FunctionText) -> str:
    """The parameters are the place in the heap, the place in stable memory, and the size."""
    copy = f"(memory.copy {HEAP} {STABLE} {text.address(0)} (local.get $offset) {_amount(text)})"
    done = text.charge("(local.get $cost)") + copy + "(return)"
    is_known = f"(i32.ge_u {_seen('(local.get %s)')} (local.get $epoch))"
    # One more than known means written, which includes read.
    visit = f"""(if (i32.lt_u (local.get $seen) (local.get $epoch)) (then
        (i32.store {SYSTEM} offset={EPOCHS} {_at_page()} (local.get $epoch))))"""
    return _access(text, 1, 0, is_known, "", visit, done)


def write(text: FunctionText) -> str:
    """The parameters are the place in stable memory, the place in the heap, and the size."""
    copy = f"(memory.copy {STABLE} {HEAP} (local.get $offset) {text.address(1)} {_amount(text)})"
    done = text.charge("(local.get $cost)") + copy + "(return)"
    is_known = f"(i32.gt_u {_seen('(local.get %s)')} (local.get $epoch))"
    charge_pages = f"""(local.set $cost (i64.add (local.get $cost)
        (i64.mul (i64.extend_i32_u (local.get $written)) (i64.const {PAGE_CHARGE}))))"""
    entry = f"(i32.shl {cell_32(JOURNAL_LENGTH)} (i32.const 2))"
    visit = f"""(if (i32.le_u (local.get $seen) (local.get $epoch)) (then
        (i32.store {SYSTEM} offset={EPOCHS} {_at_page()} (i32.add (local.get $epoch) (i32.const 1)))
        (i32.store {SYSTEM} offset={JOURNAL} {entry} (local.get $page))
        {set_cell(JOURNAL_LENGTH, f"(i64.add {cell(JOURNAL_LENGTH)} (i64.const 1))")}))"""
    return _access(text, 0, 1, is_known, charge_pages, visit, done)


def _at_page() -> str:
    return "(i32.shl (local.get $page) (i32.const 2))"


def _seen(page: str) -> str:
    """The number that says when a page, given by a local with a name still open, was accessed last."""
    return f"(i32.load {SYSTEM} offset={EPOCHS} (i32.shl {page} (i32.const 2)))"


def _amount(text: FunctionText) -> str:
    """The size in bytes, in the type that copying between the two memories wants."""
    return "(local.get $size)" if text.is_64_bit else "(i32.wrap_i64 (local.get $size))"


def _access(text: FunctionText, offset: int, heap: int, is_known: str, charge_pages: str, visit: str, done: str) -> str:
    """
    The quick way, if the range lies in one page or two that are known; else the pages are counted, and only if that
    breaks no limit they are visited.
    """
    stable_size = f"(i64.shl {cell(STABLE_PAGES)} (i64.const 16))"
    inside = both(
        text.is_plain,
        "(i64.ne (local.get $size) (i64.const 0))",
        fits("(local.get $offset)", "(local.get $size)", stable_size),
        text.in_heap(heap, "(local.get $size)"),
        text.affordable("(local.get $cost)"),
        *_is_small(text),
    )
    last = "(i64.sub (i64.add (local.get $offset) (local.get $size)) (i64.const 1))"
    is_short = "(i32.le_u (i32.sub (local.get $last) (local.get $first)) (i32.const 1))"
    no_limit = both(
        f"""(i64.le_u (i64.add {cell(ACCESSED)} (i64.extend_i32_u (local.get $read))) {cell(MOST_ACCESSED)})""",
        f"""(i32.le_u (i32.add {cell_32(JOURNAL_LENGTH)} (local.get $written)) (i32.const {JOURNAL_ENTRIES}))""",
        text.affordable("(local.get $cost)"),
    )
    count = """
        (local.set $read (i32.add (local.get $read) (i32.lt_u (local.get $seen) (local.get $epoch))))
        (local.set $written (i32.add (local.get $written) (i32.le_u (local.get $seen) (local.get $epoch))))"""
    return f"""{_LOCALS}
        (local.set $size {text.wide(2)})
        (local.set $offset {text.wide(offset)})
        (local.set $cost {text.cost("(local.get $size)", fixed=ACCESS)})
        (if {inside} (then
          (local.set $epoch {cell_32(EPOCH)})
          (local.set $first (i32.wrap_i64 (i64.shr_u (local.get $offset) (i64.const 12))))
          (local.set $last (i32.wrap_i64 (i64.shr_u {last} (i64.const 12))))
          (if {both(is_short, is_known % "$first", is_known % "$last")} (then {done}))
          (if (i32.lt_u (i32.sub (local.get $last) (local.get $first)) (i32.const {_MOST_IN_ONE_CALL})) (then
            {_for_each_page(count)}
            {charge_pages}
            (if {no_limit} (then
              {_for_each_page(visit)}
              {set_cell(ACCESSED, f"(i64.add {cell(ACCESSED)} (i64.extend_i32_u (local.get $read)))")}
              {done}))))))"""


def _for_each_page(body: str) -> str:
    """Does something with each page of the range."""
    return f"""(local.set $page (local.get $first))
        (loop $next
          (local.set $seen {_seen("(local.get $page)")})
          {body}
          (local.set $page (i32.add (local.get $page) (i32.const 1)))
          (br_if $next (i32.le_u (local.get $page) (local.get $last))))"""
