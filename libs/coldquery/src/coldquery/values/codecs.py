from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

from asyncpg import Connection

from coldquery.values import binary, raw


class _Codec(NamedTuple):
    encoder: Callable[[Any], Any]
    decoder: Callable[[Any], Any]
    exchanged: Literal["tuple", "binary", "text"]


_CODECS: Final = {
    # asyncpg's own lose what Python's types cannot hold: years before 1 and after 9999, infinity, months.
    "date": _Codec(tuple, raw.Date, "tuple"),
    "time": _Codec(tuple, raw.Time, "tuple"),
    "timetz": _Codec(tuple, raw.TimeTz, "tuple"),
    "timestamp": _Codec(tuple, raw.Timestamp, "tuple"),
    "timestamptz": _Codec(tuple, raw.TimestampTz, "tuple"),
    "interval": _Codec(tuple, raw.Interval, "tuple"),
    # These would come as a type that others share, so that inside of an array or a composite nothing
    # tells them apart; or in text, which composites cannot hold.
    "bytea": _Codec(bytes, raw.Bytea, "binary"),
    "json": _Codec(binary.write_text, binary.read_json, "binary"),
    "jsonb": _Codec(binary.write_jsonb, binary.read_jsonb, "binary"),
    "float4": _Codec(binary.write_float4, binary.read_float4, "binary"),
    "refcursor": _Codec(binary.write_text, binary.read_text, "binary"),
    "macaddr": _Codec(binary.write_macaddr, binary.read_macaddr, "binary"),
    "macaddr8": _Codec(binary.write_macaddr, binary.read_macaddr, "binary"),
    "inet": _Codec(binary.write_inet, binary.read_address, "binary"),
    "cidr": _Codec(binary.write_cidr, binary.read_address, "binary"),
    "pg_lsn": _Codec(binary.write_lsn, binary.read_lsn, "binary"),
    "tid": _Codec(binary.write_tid, binary.read_tid, "binary"),
    "pg_snapshot": _Codec(binary.write_snapshot, binary.read_snapshot, "binary"),
    "txid_snapshot": _Codec(binary.write_snapshot, binary.read_snapshot, "binary"),
    # The columns of pg_stats, for which asyncpg has no decoder.
    "anyarray": _Codec(str, str, "text"),
}

_ELEMENTS: Final = (
    "bool", "bytea", "char", "name", "int2", "int4", "int8", "oid", "float4", "float8", "numeric", "text",
    "varchar", "bpchar", "json", "jsonb", "uuid", "inet", "cidr", "macaddr", "date", "time", "timetz",
    "timestamp", "timestamptz", "interval",
)  # fmt: skip
_RANGES: Final = ("int4", "int8", "num", "date", "ts", "tstz")
_TO_LEARN: Final = "SELECT " + ", ".join([
    *(f'NULL::pg_catalog."{name}"[]' for name in _ELEMENTS),
    *(f"NULL::pg_catalog.{name}{kind}" for name in _RANGES for kind in ("range", "multirange")),
])  # fmt: skip


async def set_codecs(connection: Connection) -> None:
    """Have values come and go as the types of `coldquery.values.raw`, and learn the usual array and range types.

    It is the `init` of the pool. The codecs outlive DISCARD ALL and `reload_schema_state`.
    """
    for name, codec in _CODECS.items():
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=codec.encoder, decoder=codec.decoder, format=codec.exchanged
        )
    # Else the first read of each would wait for it, and anonymous records could not hold them.
    await connection.prepare(_TO_LEARN)
