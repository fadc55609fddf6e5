"""Puts a mutant in the place of the right functions, in this process. Meant for a process that is forked for it."""

import functools
import gc
import hashlib
import os
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final

import wasmtime
from wasmtime import _ffi as ffi

from properties.mutation.mutants import ROOT, Mutant
from reference_impl.wasm.instances import wasmtime_engine
from reference_impl.wasm.running import kept_modules
from reference_impl.wasm.running import module as modules
from spec.tooling import kept_files
from spec.values.candid import decoding
from spec.values.identifiers import Text

MUTATED_PACKAGES: Final = ("reference_impl.", "spec.values.")
"""Where mutants are, and so where what was worked out before may be wrong."""

LiveFunctions = dict[tuple[Text, Text], list[FunctionType]]
"""The functions of this process, by file and qualified name."""


class CannotPatch(Exception):
    """The mutant has another closure than the function whose place it should take."""


def live_functions() -> LiveFunctions:
    """The functions that may get mutants."""
    found: LiveFunctions = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__module__ and f"{each.__module__}.".startswith(MUTATED_PACKAGES):
            path = Path(each.__code__.co_filename)
            if path.is_relative_to(ROOT):
                key = (path.relative_to(ROOT).as_posix(), each.__code__.co_qualname)
                found.setdefault(key, []).append(each)
    return found


def apply(mutant: Mutant, live: LiveFunctions, *, loads_anew: bool) -> None:
    """From now on the mutant runs. `loads_anew`: modules of canisters that were rewritten before are forgotten."""
    for function, code in replacements(mutant, live):
        function.__code__ = code
    if ROOT / mutant.path == Path(wasmtime_engine.__file__):
        _compiled.clear()
    forget(loads_anew=loads_anew)


def replacements(mutant: Mutant, live: LiveFunctions) -> list[tuple[FunctionType, CodeType]]:
    """
    The functions that run other code in the mutant, with that code: those with the edit, and those around them.

    None if the edited function is not there any more, since it only runs when the program starts.
    """
    file = str(ROOT / mutant.path)
    right = _functions_in(compile(mutant.right_text, file, "exec", dont_inherit=True))
    wrong = _functions_in(compile(mutant.wrong_text, file, "exec", dont_inherit=True))
    found: list[tuple[FunctionType, CodeType]] = []
    for place, before in right.items():
        after = wrong.get(place)
        if after is None or _told(before) == _told(after):
            continue
        for function in live.get((mutant.path, before.co_qualname), []):
            if function.__code__.co_firstlineno == before.co_firstlineno:
                if before.co_freevars != after.co_freevars:
                    raise CannotPatch(f"{before.co_qualname} has another closure")
                found.append((function, after))
    return found


def _functions_in(code: CodeType, number: int = 0) -> dict[tuple[Text, int, int], CodeType]:
    """The code of a module and of all functions in it, by name, line, and which of that line it is."""
    found = {(code.co_qualname, code.co_firstlineno, number): code}
    of_line: Counter[tuple[Text, int]] = Counter()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            place = (constant.co_qualname, constant.co_firstlineno)
            found |= _functions_in(constant, of_line[place])
            of_line[place] += 1
    return found


def _told(code: CodeType) -> list[object]:
    """What code does, with that of the functions in it."""
    constants = [_told(each) if isinstance(each, CodeType) else (type(each), repr(each)) for each in code.co_consts]
    return [code.co_code, code.co_names, code.co_varnames, code.co_freevars, constants]


def forget(*, loads_anew: bool) -> None:
    """Drops what functions that may be mutants worked out before."""
    for name, found in list(sys.modules.items()):
        if f"{name}.".startswith(MUTATED_PACKAGES) and found is not wasmtime_engine:
            for value in vars(found).values():
                if isinstance(value, functools._lru_cache_wrapper) and value.__module__ == name:
                    value.cache_clear()
    decoding.KNOWN_TYPES.clear()
    for module in modules._cache.values():
        module.compiled.idle.clear()
        for variants in (module.compiled.exact, module.compiled.with_more_room, module.compiled.with_large_stack):
            for variant in variants:
                variant.idle.clear()
    # Reason: what is kept on disk was rewritten by the right functions, and what a mutant rewrites must not get there.
    os.environ[kept_files.SWITCH] = kept_files.OFF
    if loads_anew:
        modules._cache.clear()


def prepare_to_compile() -> None:
    """
    The engine compiles in the thread that asks, since a forked process has no other, and the same code only once.

    Must be called before the engine is first used.
    """
    right = wasmtime_engine._config

    def configured(stack: int, multi_memory: bool = True) -> wasmtime.Config:
        config = right(stack, multi_memory)
        ffi.wasmtime_config_parallel_compilation_set(config.ptr(), False)
        return config

    if right.__name__ != configured.__name__:
        wasmtime_engine._config = configured
        for place in (wasmtime_engine, kept_modules):
            vars(place)["compile_module"] = _compiled_once


_compiled: dict[tuple[bytes, bool], wasmtime.Module] = {}
_compile = wasmtime_engine.compile_module


def _compiled_once(binary: bytes, is_hard: bool) -> wasmtime.Module:
    """What the engine makes of a rewritten module. A mutant that rewrites it in another way has it compiled anew."""
    key = (hashlib.sha256(binary).digest(), is_hard)
    if key not in _compiled:
        _compiled[key] = _compile(binary, is_hard)
    return _compiled[key]
