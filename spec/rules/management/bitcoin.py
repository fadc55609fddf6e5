"""The Bitcoin interface, which is deprecated. All answers come from outside, for free."""

from spec.rules.management.arguments import decoded, management_call, reply
from spec.state.message import CallMessage
from spec.state.state import State
from spec.transition import Step, opaque, require, transition
from spec.values import management
from spec.values.checklist import defines
from spec.values.containers import List
from spec.values.identifiers import Blob, MessageId
from spec.values.quantities import Count
from spec.values.rejects import RejectReason

MAXIMUM_CONFIRMATIONS = 144
MAXIMUM_UTXOS = 10_000
NUMBER_OF_PERCENTILES = 101
BLOCK_HEADER_BYTES = 80
"""Source: management-canister, the Bitcoin interface; likewise those above."""
MAXIMUM_SATOSHI = 2**64 - 1
"""Source: ic.did."""


@opaque
def get_utxos_arguments(argument: Blob) -> management.GetUtxosArguments | None:
    """The argument of `bitcoin_get_utxos`."""
    arguments = management.decode_arguments("bitcoin_get_utxos", argument)
    return arguments if isinstance(arguments, management.GetUtxosArguments) else None


@opaque
def get_balance_arguments(argument: Blob) -> management.GetBalanceArguments | None:
    """The argument of `bitcoin_get_balance`."""
    arguments = management.decode_arguments("bitcoin_get_balance", argument)
    return arguments if isinstance(arguments, management.GetBalanceArguments) else None


@opaque
def send_transaction_arguments(argument: Blob) -> management.SendTransactionArguments | None:
    """The argument of `bitcoin_send_transaction`."""
    arguments = management.decode_arguments("bitcoin_send_transaction", argument)
    return arguments if isinstance(arguments, management.SendTransactionArguments) else None


@opaque
def fee_percentiles_arguments(argument: Blob) -> management.FeePercentilesArguments | None:
    """The argument of `bitcoin_get_current_fee_percentiles`."""
    arguments = management.decode_arguments("bitcoin_get_current_fee_percentiles", argument)
    return arguments if isinstance(arguments, management.FeePercentilesArguments) else None


@opaque
def block_headers_arguments(argument: Blob) -> management.GetBlockHeadersArguments | None:
    """The argument of `bitcoin_get_block_headers`."""
    arguments = management.decode_arguments("bitcoin_get_block_headers", argument)
    return arguments if isinstance(arguments, management.GetBlockHeadersArguments) else None


@opaque
def confirmations_of(arguments: management.GetUtxosArguments) -> Count:
    """How many confirmations are asked for."""
    return arguments.filter.number if isinstance(arguments.filter, management.Confirmations) else 0


@opaque
def are_admissible_utxos(arguments: management.GetUtxosArguments, answer: management.UtxosResult) -> bool:
    """Not too many outputs, in descending order of height, each with the confirmations asked for."""
    heights = [utxo.height for utxo in answer.utxos]
    confirmations = max(confirmations_of(arguments), 1)
    return (
        len(heights) <= MAXIMUM_UTXOS
        and heights == sorted(heights, reverse=True)
        and all(height + confirmations <= answer.tip_height + 1 for height in heights)
    )


@opaque
def are_percentiles(percentiles: List[Count]) -> bool:
    """There are none, or all from the 0th to the 100th; none is smaller than the one before."""
    return len(percentiles) in (0, NUMBER_OF_PERCENTILES) and list(percentiles) == sorted(percentiles)


@opaque
def are_admissible_headers(
    arguments: management.GetBlockHeadersArguments, answer: management.BlockHeadersResult
) -> bool:
    """Headers of 80 bytes, not more than there are blocks in the range; the range does not end above the tip."""
    end = answer.tip_height if arguments.end_height is None else arguments.end_height
    return (
        end <= answer.tip_height
        and answer.block_headers.every(lambda header: len(header) == BLOCK_HEADER_BYTES)
        and len(answer.block_headers) <= max(end - arguments.start_height + 1, 0)
    )


@opaque
def encoded_utxos(answer: management.UtxosResult) -> Blob:
    """The result of `bitcoin_get_utxos`."""
    return management.encode_result("bitcoin_get_utxos", answer)


@opaque
def encoded_satoshi(satoshi: Count) -> Blob:
    """The result of `bitcoin_get_balance`."""
    return management.encode_result("bitcoin_get_balance", satoshi)


@opaque
def encoded_percentiles(percentiles: List[Count]) -> Blob:
    """The result of `bitcoin_get_current_fee_percentiles`."""
    return management.encode_result("bitcoin_get_current_fee_percentiles", percentiles)


@opaque
def encoded_headers(answer: management.BlockHeadersResult) -> Blob:
    """The result of `bitcoin_get_block_headers`."""
    return management.encode_result("bitcoin_get_block_headers", answer)


def require_confirmations(number: Count) -> None:
    """States that not too many confirmations are asked for."""
    require(number <= MAXIMUM_CONFIRMATIONS, "not too many confirmations are asked for", RejectReason.INVALID_ARGUMENT)


def get_utxos_call(state: State, message_id: MessageId) -> tuple[CallMessage, management.GetUtxosArguments]:
    """A call to `bitcoin_get_utxos` that can be served, and its argument."""
    call = management_call(state, message_id, "bitcoin_get_utxos")
    arguments = decoded(get_utxos_arguments(call.argument))
    require_confirmations(confirmations_of(arguments))
    return call, arguments


def get_balance_call(state: State, message_id: MessageId) -> CallMessage:
    """A call to `bitcoin_get_balance` that can be served."""
    call = management_call(state, message_id, "bitcoin_get_balance")
    arguments = decoded(get_balance_arguments(call.argument))
    require_confirmations(0 if arguments.min_confirmations is None else arguments.min_confirmations)
    return call


def send_transaction_call(state: State, message_id: MessageId) -> CallMessage:
    """A call to `bitcoin_send_transaction` that can be served."""
    call = management_call(state, message_id, "bitcoin_send_transaction")
    decoded(send_transaction_arguments(call.argument))
    return call


def fee_percentiles_call(state: State, message_id: MessageId) -> CallMessage:
    """A call to `bitcoin_get_current_fee_percentiles` that can be served."""
    call = management_call(state, message_id, "bitcoin_get_current_fee_percentiles")
    decoded(fee_percentiles_arguments(call.argument))
    return call


def block_headers_call(state: State, message_id: MessageId) -> tuple[CallMessage, management.GetBlockHeadersArguments]:
    """A call to `bitcoin_get_block_headers` that can be served, and its argument."""
    call = management_call(state, message_id, "bitcoin_get_block_headers")
    arguments = decoded(block_headers_arguments(call.argument))
    require(
        arguments.end_height is None or arguments.start_height <= arguments.end_height,
        "the range does not end before it starts",
        RejectReason.INVALID_ARGUMENT,
    )
    return call, arguments


@transition(title="Bitcoin: unspent outputs", source="ours#outside-world")
@defines("unspec.value.bitcoin")
def bitcoin_get_utxos(state: State, *, message_id: MessageId, answer: management.UtxosResult) -> Step:
    """A canister learns unspent outputs of an address."""
    # CONDITIONS
    call, arguments = get_utxos_call(state, message_id)
    require(are_admissible_utxos(arguments, answer), "the outputs are those asked for")

    # STATE AFTER
    return reply(state, message_id, call, encoded_utxos(answer))


@transition(title="Bitcoin: balance", source="ours#outside-world")
def bitcoin_get_balance(state: State, *, message_id: MessageId, satoshi: Count) -> Step:
    """A canister learns the balance of an address."""
    # CONDITIONS
    call = get_balance_call(state, message_id)
    require(0 <= satoshi <= MAXIMUM_SATOSHI, "the balance is a number of 64 bits")

    # STATE AFTER
    return reply(state, message_id, call, encoded_satoshi(satoshi))


@transition(title="Bitcoin: sending a transaction", source="ours#outside-world")
def bitcoin_send_transaction(state: State, *, message_id: MessageId) -> Step:
    """A transaction is handed on to the network. Nothing says that it will be in a block."""
    # CONDITIONS
    call = send_transaction_call(state, message_id)

    # STATE AFTER
    return reply(state, message_id, call)


@transition(title="Bitcoin: fee percentiles", source="ours#outside-world")
def bitcoin_get_current_fee_percentiles(state: State, *, message_id: MessageId, percentiles: List[Count]) -> Step:
    """A canister learns what recent transactions paid."""
    # CONDITIONS
    call = fee_percentiles_call(state, message_id)
    require(are_percentiles(percentiles), "the percentiles are in order")

    # STATE AFTER
    return reply(state, message_id, call, encoded_percentiles(percentiles))


@transition(title="Bitcoin: block headers", source="ours#outside-world")
def bitcoin_get_block_headers(state: State, *, message_id: MessageId, answer: management.BlockHeadersResult) -> Step:
    """A canister learns headers of blocks."""
    # CONDITIONS
    call, arguments = block_headers_call(state, message_id)
    require(are_admissible_headers(arguments, answer), "the headers are those asked for")

    # STATE AFTER
    return reply(state, message_id, call, encoded_headers(answer))
