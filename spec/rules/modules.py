"""Parsing modules: the functions `parse_wasm_mod` and `parse_..._custom_sections` of the interface specification."""

from spec.canister.module import CanisterModule, MalformedModule
from spec.profile import Profile
from spec.state.canister import Canister, Code
from spec.system_api.engines import module_by_engine
from spec.transition import opaque, require_kind
from spec.values.checklist import defines
from spec.values.identifiers import Blob
from spec.values.rejects import RejectCode, RejectReason


@opaque
@defines("unspec.fn.module-parsing")
def module_or_defect(profile: Profile, raw_module: Blob) -> CanisterModule | MalformedModule:
    """What the bytes of a module mean."""
    return module_by_engine(raw_module, profile)


def module_of(profile: Profile, code: Code) -> CanisterModule:
    """The module of installed code; it was parsed when it was installed."""
    module = module_or_defect(profile, code.raw_module)
    assert not isinstance(module, MalformedModule), "installed code parses"
    return module


def code_of(canister: Canister, code: RejectCode | None = None) -> Code:
    """The code of a canister, which must have one; `code` as in `require`."""
    return require_kind(canister.code, Code, "the canister has code", RejectReason.CANISTER_HAS_NO_CODE, code)
