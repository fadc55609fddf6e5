"""How much an execution may use, in instructions and in cycles."""

from spec.profile import Profile
from spec.rules.modules import code_of, module_of
from spec.rules.resources import cycles_per_message
from spec.state.canister import Canister
from spec.state.message import CallbackInvocation, EntryPoint, PublicMethod
from spec.values.checklist import defines
from spec.values.identifiers import MethodName
from spec.values.quantities import Cycles, Instructions


@defines("error.instruction-limit")
def method_instruction_limit(profile: Profile, canister: Canister, method_name: MethodName) -> Instructions:
    """The instruction limit of a method called as an update: query methods have a limit of their own."""
    module = module_of(profile, code_of(canister))
    if method_name in module.query_methods:
        return profile.limits.query_instructions
    return profile.limits.message_instructions


@defines("error.instruction-limit")
def instruction_limit(profile: Profile, canister: Canister, entry_point: EntryPoint) -> Instructions:
    """The instruction limit of an execution."""
    match entry_point:
        case PublicMethod(method_name=method_name):
            return method_instruction_limit(profile, canister, method_name)
        case _:
            return profile.limits.message_instructions


def cycles_set_aside_for_call(profile: Profile, canister: Canister, method_name: MethodName) -> Cycles:
    """MAX_CYCLES_PER_MESSAGE of a call to a method."""
    limit = method_instruction_limit(profile, canister, method_name)
    return cycles_per_message(profile, module_of(profile, code_of(canister)), limit, canister.subnet.subnet_size)


def cycles_set_aside_for_task(profile: Profile, canister: Canister) -> Cycles:
    """MAX_CYCLES_PER_MESSAGE of a system task."""
    return cycles_per_message(
        profile,
        module_of(profile, code_of(canister)),
        profile.limits.message_instructions,
        canister.subnet.subnet_size,
    )


def is_response(entry_point: EntryPoint) -> bool:
    """The execution handles a response. Source: abstract-behavior, message execution (`Is_response`)."""
    return isinstance(entry_point, CallbackInvocation)
