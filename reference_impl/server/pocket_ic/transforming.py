"""What a canister makes of the response to an outcall of its: it runs a query method on it, in a context of its own."""

from typing import Final, Protocol, runtime_checkable

from attrs import frozen

from reference_impl.subnet.subnet_instance import SubnetInstance
from spec.canister.environment import Environment
from spec.canister.outcome import Outcome, Trapped
from spec.canister.wasm_state import WasmState
from spec.values.candid import encode
from spec.values.identifiers import Blob, MethodName, Text
from spec.values.management import HttpRequestArguments, HttpResponse, decode_result
from spec.values.management.outcalls import RESPONSE
from spec.values.management.shapes import BLOB_SHAPE, record_shape
from spec.values.rejects import Reply


@frozen
class Transformed:
    """The argument of a transformation."""

    response: HttpResponse
    context: Blob


ARGUMENT: Final = record_shape(Transformed, {"response": RESPONSE, "context": BLOB_SHAPE})


@runtime_checkable
class Transforming(Protocol):
    """A module that transforms responses."""

    def transform(
        self, method_name: MethodName, wasm_state: WasmState, argument: Blob, environment: Environment
    ) -> Outcome:
        """Runs a query method on the response to an outcall."""
        ...


def transformed(instance: SubnetInstance, asked: HttpRequestArguments, response: HttpResponse) -> HttpResponse | Text:
    """What the canister makes of the response, if the outcall names a transformation; or why it fails."""
    if asked.transform is None:
        return response
    canister = instance.canisters.get(asked.transform.canister_id)
    if canister is None or canister.code is None:
        return "The canister of the transformation has no code."
    module = canister.code.installed.module
    assert isinstance(module, Transforming), "the engine runs transformations"
    argument = encode((ARGUMENT.candid_type,), (ARGUMENT.write(Transformed(response, asked.transform.context)),))
    environment = instance.environment(canister, instance.profile.limits.query_instructions, replicated=False)
    outcome = module.transform(asked.transform.method_name, canister.code.wasm_state, argument, environment)
    if isinstance(outcome, Trapped):
        return f"The transformation trapped: {outcome.message}"
    if not isinstance(outcome.response, Reply):
        return "The transformation did not reply."
    try:
        made: HttpResponse = decode_result("http_request", outcome.response.data)
    except ValueError as problem:
        return f"The transformation did not reply with a response: {problem}"
    return made
