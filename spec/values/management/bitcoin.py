"""The Bitcoin interface: arguments and results. Source: ic.did."""

from enum import Enum
from typing import Final

from attrs import field, frozen

from spec.values.containers import List
from spec.values.identifiers import Blob, Text
from spec.values.management.shapes import (
    BLOB_SHAPE,
    NAT32,
    NAT64,
    TEXT,
    Shape,
    enumeration_shape,
    list_shape,
    optional_shape,
    record_shape,
    union_shape,
)
from spec.values.quantities import Count


class BitcoinNetwork(Enum):
    """The networks."""

    MAINNET = "mainnet"
    TESTNET = "testnet"


@frozen
class Confirmations:
    """Only outputs with at least so many confirmations."""

    number: Count


@frozen
class Page:
    """The part of a long answer that begins here."""

    reference: Blob


@frozen
class GetUtxosArguments:
    """Argument of `bitcoin_get_utxos`."""

    address: Text
    network: BitcoinNetwork
    filter: Confirmations | Page | None = None


@frozen
class GetBalanceArguments:
    """Argument of `bitcoin_get_balance`."""

    address: Text
    network: BitcoinNetwork
    min_confirmations: Count | None = None


@frozen
class SendTransactionArguments:
    """Argument of `bitcoin_send_transaction`."""

    transaction: Blob
    network: BitcoinNetwork


@frozen
class FeePercentilesArguments:
    """Argument of `bitcoin_get_current_fee_percentiles`."""

    network: BitcoinNetwork


@frozen
class GetBlockHeadersArguments:
    """Argument of `bitcoin_get_block_headers`."""

    start_height: Count
    network: BitcoinNetwork
    end_height: Count | None = None


@frozen
class Outpoint:
    """An output of a transaction."""

    txid: Blob
    vout: Count


@frozen
class Utxo:
    """An output that was not spent."""

    outpoint: Outpoint
    value: Count
    """In Satoshi."""
    height: Count
    """Of the block with the transaction."""


@frozen
class UtxosResult:
    """Result of `bitcoin_get_utxos`."""

    tip_block_hash: Blob
    tip_height: Count
    utxos: List[Utxo] = field(factory=List)
    next_page: Blob | None = None
    """Where the next part begins, if there are more."""


@frozen
class BlockHeadersResult:
    """Result of `bitcoin_get_block_headers`."""

    tip_height: Count
    block_headers: List[Blob] = field(factory=List)


def _wrapped(kind: type, attribute: str, content: Shape) -> Shape:
    return Shape(
        content.candid_type,
        lambda value: kind(content.read(value)),
        lambda value: content.write(getattr(value, attribute)),
    )


NETWORK: Final = {"network": enumeration_shape(BitcoinNetwork)}

FILTER: Final = union_shape(
    {
        "min_confirmations": (Confirmations, _wrapped(Confirmations, "number", NAT32)),
        "page": (Page, _wrapped(Page, "reference", BLOB_SHAPE)),
    }
)

UTXO: Final = record_shape(
    Utxo,
    {
        "outpoint": record_shape(Outpoint, {"txid": BLOB_SHAPE, "vout": NAT32}),
        "value": NAT64,
        "height": NAT32,
    },
)

ARGUMENTS: Final = {
    "bitcoin_get_utxos": record_shape(
        GetUtxosArguments, {"address": TEXT, **NETWORK, "filter": optional_shape(FILTER)}
    ),
    "bitcoin_get_balance": record_shape(
        GetBalanceArguments, {"address": TEXT, **NETWORK, "min_confirmations": optional_shape(NAT32)}
    ),
    "bitcoin_send_transaction": record_shape(SendTransactionArguments, {"transaction": BLOB_SHAPE, **NETWORK}),
    "bitcoin_get_current_fee_percentiles": record_shape(FeePercentilesArguments, NETWORK),
    "bitcoin_get_block_headers": record_shape(
        GetBlockHeadersArguments, {"start_height": NAT32, "end_height": optional_shape(NAT32), **NETWORK}
    ),
}

RESULTS: Final = {
    "bitcoin_get_utxos": record_shape(
        UtxosResult,
        {
            "utxos": list_shape(UTXO),
            "tip_block_hash": BLOB_SHAPE,
            "tip_height": NAT32,
            "next_page": optional_shape(BLOB_SHAPE),
        },
    ),
    "bitcoin_get_balance": NAT64,
    "bitcoin_get_current_fee_percentiles": list_shape(NAT64),
    "bitcoin_get_block_headers": record_shape(
        BlockHeadersResult, {"tip_height": NAT32, "block_headers": list_shape(BLOB_SHAPE)}
    ),
}
