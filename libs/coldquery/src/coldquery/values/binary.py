"""PostgreSQL's binary form of small types, to and from the text that PostgreSQL writes for them."""

import ipaddress
import socket
from struct import Struct

from coldquery.values.raw import Json, Jsonb

_FLOAT4 = Struct("!f")
_FORMS = ("%.6g", "%.7g", "%.8g")  # six digits always survive
_SUBNORMAL_FORMS = tuple(f"%.{digits}g" for digits in range(1, 9))
_LEAST_NORMAL = 2.0**-126
_INT8 = Struct("!q")
_TID = Struct("!IH")
_SNAPSHOT = Struct("!iqq")
_JSONB_VERSION = b"\x01"
_FAMILIES = {2: socket.AF_INET, 3: socket.AF_INET6}  # PGSQL_AF_INET, PGSQL_AF_INET6
_FULL_LENGTH = {2: 32, 3: 128}


def read_json(data: bytes) -> Json:
    return Json(data, "utf-8")


def read_text(data: bytes) -> str:
    return data.decode()


def write_text(text: str) -> bytes:
    return text.encode()


def read_jsonb(data: bytes) -> Jsonb:
    return Jsonb(data[1:], "utf-8")


def write_jsonb(text: str) -> bytes:
    return _JSONB_VERSION + text.encode()


def read_float4(data: bytes) -> float:
    """The number with the fewest digits that is this one in single precision, as PostgreSQL writes it."""
    (exact,) = _FLOAT4.unpack(data)
    for form in _SUBNORMAL_FORMS if abs(exact) < _LEAST_NORMAL else _FORMS:
        short = float(form % exact)
        if _packed(short) == data:
            return short
    return float(f"{exact:.9g}")


def _packed(value: float) -> bytes | None:
    try:
        return _FLOAT4.pack(value)
    except OverflowError:
        # Rounded to fewer digits, the largest of them is beyond single precision.
        return None


def write_float4(value: float) -> bytes:
    return _FLOAT4.pack(value)


def read_macaddr(data: bytes) -> str:
    return data.hex(":")


def write_macaddr(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def read_address(data: bytes) -> str:
    """An inet or cidr; the length of the prefix is left out of an inet that is one host."""
    family, bits, is_cidr = data[0], data[1], data[2]
    address = socket.inet_ntop(_FAMILIES[family], data[4:])
    return f"{address}/{bits}" if is_cidr or bits != _FULL_LENGTH[family] else address


def write_inet(text: str) -> bytes:
    return _address(text, is_cidr=False)


def write_cidr(text: str) -> bytes:
    return _address(text, is_cidr=True)


def _address(text: str, *, is_cidr: bool) -> bytes:
    interface = ipaddress.ip_interface(text)
    family = 2 if interface.version == 4 else 3  # noqa: PLR2004 - the version of the protocol
    packed = interface.packed
    return bytes([family, interface.network.prefixlen, is_cidr, len(packed)]) + packed


def read_lsn(data: bytes) -> str:
    position = int.from_bytes(data)
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"


def write_lsn(text: str) -> bytes:
    high, low = text.split("/")
    return (int(high, 16) << 32 | int(low, 16)).to_bytes(8)


def read_tid(data: bytes) -> str:
    block, offset = _TID.unpack(data)
    return f"({block},{offset})"


def write_tid(text: str) -> bytes:
    block, offset = text.strip("()").split(",")
    return _TID.pack(int(block), int(offset))


def read_snapshot(data: bytes) -> str:
    _, oldest, newest = _SNAPSHOT.unpack_from(data)
    running = ",".join(str(xid) for (xid,) in _INT8.iter_unpack(data[_SNAPSHOT.size :]))
    return f"{oldest}:{newest}:{running}"


def write_snapshot(text: str) -> bytes:
    oldest, newest, running = text.split(":")
    xids = [int(xid) for xid in running.split(",") if xid]
    return _SNAPSHOT.pack(len(xids), int(oldest), int(newest)) + b"".join(map(_INT8.pack, xids))
