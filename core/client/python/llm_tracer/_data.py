"""Values of the program as what the library takes: JSON, texts, figures. Nothing here raises,
whatever the value; what cannot be taken is left out, with one warning for each kind."""

import base64
import datetime
import decimal
import enum
import itertools
import json
import math
import operator
import os
import uuid
from collections.abc import Mapping, Set
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from ._library import COST_MAX, TOKENS_MAX, UNKNOWN
from ._warning import warn_once

DEPTH_MAX = 64  # levels of a value; deeper ones are told by their type
NODES_SMALL = 1000
NODES_MAX = 50_000  # values in one; what is over is left out and counted
BYTES_MAX = 4 << 20  # LLMT_DATA_MAX
REPR_MAX = 10_000  # characters of what only repr() can tell
TAGS_MAX = 50  # LLMT_TAGS_MAX


def describe(value: Any) -> str:
    """repr() that does not fail, at most REPR_MAX characters."""
    try:
        return repr(value)[:REPR_MAX]
    except Exception:
        return f"<{type(value).__name__}>"


def error_text(error: BaseException) -> str:
    """What an exception says; its type's name when it says nothing."""
    try:
        return str(error) or type(error).__name__
    except Exception:
        return type(error).__name__


def _bytes(value: Any) -> str:
    raw = bytes(value[:BYTES_MAX])
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(raw).decode("ascii")


def _decimal(value: decimal.Decimal) -> Any:
    return float(value) if value.is_finite() else str(value)


def _set(value: Any) -> List[Any]:
    """In order where there is one, so that the same set reads the same."""
    members = list(itertools.islice(value, NODES_MAX))
    try:
        return sorted(members)
    except Exception:
        return members


_KINDS: Tuple[Tuple[Any, Callable[[Any], Any]], ...] = (
    (Mapping, dict),
    (Set, _set),
    ((bytes, bytearray, memoryview), _bytes),
    ((datetime.datetime, datetime.date, datetime.time), lambda v: v.isoformat()),
    (datetime.timedelta, lambda v: v.total_seconds()),
    (enum.Enum, lambda v: v.value),
    (decimal.Decimal, _decimal),
    (uuid.UUID, str),
    (os.PathLike, os.fspath),
    (BaseException, lambda v: f"{type(v).__name__}: {error_text(v)}"),
)


def _array(value: Any) -> Any:
    """Numbers and arrays of numpy, and what behaves as they do."""
    if getattr(value, "ndim", 0) == 0:
        return value.item()
    return value.tolist() if value.size <= NODES_MAX else describe(value)


def default(value: Any) -> Any:
    """What stands for a value that JSON does not have."""
    try:
        kind = type(value)
        if callable(getattr(kind, "model_dump", None)):  # pydantic
            return value.model_dump()
        fields = getattr(kind, "__dataclass_fields__", None)
        if isinstance(fields, dict):
            return {name: getattr(value, name) for name in fields if hasattr(value, name)}
        for known, convert in _KINDS:
            if isinstance(value, known):
                return convert(value)
        if hasattr(kind, "tolist") and hasattr(kind, "item") and hasattr(kind, "ndim"):
            return _array(value)
        if hasattr(kind, "popleft"):  # collections.deque
            return list(itertools.islice(value, NODES_MAX))
    except Exception:
        pass
    return describe(value)


class _Plain:
    """A copy of a value that json.dumps takes: bounded, without cycles, NaN and odd keys."""

    def __init__(self) -> None:
        self.nodes = 0
        self.room = BYTES_MAX
        self.above: Dict[int, bool] = {}

    def text(self, value: str) -> str:
        kept = value[: max(self.room, 0)]
        self.room -= len(kept)
        return kept if len(kept) == len(value) else f"{kept}[cut: {len(value)} characters]"

    def key(self, key: Any) -> str:
        if isinstance(key, enum.Enum):
            key = key.value
        if isinstance(key, (bytes, bytearray)):
            return _bytes(key)
        return self.text(key if isinstance(key, str) else describe(key))

    def value(self, value: Any, depth: int = 0) -> Any:
        self.nodes += 1
        kind = type(value)
        if isinstance(value, str):
            return self.text(str.__str__(value))
        if kind is bool or value is None:
            return value
        if isinstance(value, int):  # Python refuses to print a longer one
            return int(value) if value.bit_length() < 4096 else f"<int of {value.bit_length()} bits>"
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else None
        if depth > DEPTH_MAX:
            return f"<{kind.__name__}: too deep>"
        if id(value) in self.above:
            return f"<{kind.__name__}: contains itself>"
        self.above[id(value)] = True
        try:
            if isinstance(value, dict):
                return self.members(value, depth)
            if isinstance(value, (list, tuple)):
                return self.items(value, depth)
            return self.value(default(value), depth + 1)
        except Exception:  # a container that lies about itself
            return self.text(describe(value))
        finally:
            del self.above[id(value)]

    def items(self, value: Any, depth: int) -> List[Any]:
        kept: List[Any] = []
        for item in value:
            if self.nodes >= NODES_MAX or self.room <= 0:
                kept.append(f"[cut: {len(value)} items]")
                break
            kept.append(self.value(item, depth + 1))
        return kept

    def members(self, value: Any, depth: int) -> Dict[str, Any]:
        kept: Dict[str, Any] = {}
        for key, item in value.items():
            if self.nodes >= NODES_MAX or self.room <= 0:
                kept["[cut]"] = f"{len(value)} members"
                break
            kept[self.key(key)] = self.value(item, depth + 1)
        return kept


def _is_small(value: Any) -> bool:
    """Whether a value can be dumped as it is: nothing but JSON's own types, far below the bounds."""
    nodes = length = 0
    rest = [value]
    while rest:
        value = rest.pop()
        nodes += 1
        if isinstance(value, str):
            length += len(value)
        elif isinstance(value, dict):
            nodes += len(value)
            rest.extend(itertools.islice(value.values(), NODES_SMALL))
        elif isinstance(value, (list, tuple)):
            nodes += len(value)
            rest.extend(value[:NODES_SMALL])
        elif value is not None and not isinstance(value, (int, float)):
            return False
        if nodes > NODES_SMALL or length > BYTES_MAX // 8:
            return False
    return True


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def dump(value: Any) -> bytes:
    """The value as JSON in UTF-8."""
    try:
        if _is_small(value):
            return _encoder.encode(value).encode("utf-8")
    except Exception:  # a cycle, NaN, a key that is none, half a surrogate pair
        pass
    try:
        return json.dumps(_Plain().value(value), allow_nan=False).encode("utf-8")
    except Exception as error:
        warn_once("json", f"a {type(value).__name__} could not be made JSON "
                          f"({type(error).__name__}), its repr() is recorded")
    return json.dumps(describe(value)).encode("utf-8")


def json_or_none(value: Any) -> Optional[bytes]:
    """As dump; None stays None, for what the program did not say."""
    return None if value is None else dump(value)


def object_or_none(value: Any) -> Optional[bytes]:
    """Metadata: as dump, of an object; anything else is put into one."""
    made = json_or_none(value)
    if made is None or made.startswith(b"{"):
        return made
    warn_once("metadata", f"metadata is no mapping but a {type(value).__name__}; "
                          'recorded as {"value": ...}')
    return b'{"value": ' + made + b"}"


def text(value: Any) -> Optional[bytes]:
    """A text in UTF-8 without NUL: of an enumeration its value, of a structure its JSON, of
    anything else str(). None stays None."""
    if value is None:
        return None
    if type(value) is str and "\0" not in value:
        return value.encode("utf-8", "replace")
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, (dict, list, tuple)):
        return dump(value)
    if not isinstance(value, str):
        try:
            value = _bytes(value) if isinstance(value, (bytes, bytearray)) else str(value)
        except Exception:
            value = describe(value)
    made: bytes = value.encode("utf-8", "replace")
    return made.replace(b"\0", b"\xef\xbf\xbd")


def tags(value: Any) -> List[bytes]:
    """Any iterable of texts; a single text is one tag."""
    if value is None:
        return []
    if isinstance(value, (str, bytes)):
        value = [value]
    try:
        given: Iterable[Any] = list(itertools.islice(value, TAGS_MAX + 1))
    except Exception:
        warn_once("tags", f"tags are no iterable but a {type(value).__name__}; left out")
        return []
    kept = []
    for tag in given:
        made = text(tag) if isinstance(tag, (str, bytes)) else None
        if made is None:
            warn_once("tag", f"a tag is no str but a {type(tag).__name__}; left out")
        else:
            kept.append(made)
    return kept


def tokens(value: Any, what: str) -> int:
    """A count of tokens: whole, 0..TOKENS_MAX; anything else is unknown, with a warning."""
    if value is None:
        return UNKNOWN
    if type(value) is int and 0 <= value <= TOKENS_MAX:
        return value
    try:
        if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
            raise TypeError
        whole = operator.index(value) if hasattr(value, "__index__") else int(float(value))
        if 0 <= whole <= TOKENS_MAX and whole == value:
            return whole
    except Exception:
        pass
    warn_once(what, f"{what} is no whole number in 0..{TOKENS_MAX}: {describe(value)[:40]}; "
                    "left out")
    return UNKNOWN


def cost(value: Any) -> float:
    """USD, 0..COST_MAX; anything else is unknown, with a warning."""
    if value is None:
        return UNKNOWN
    try:
        if isinstance(value, (bool, str, bytes)) or type(value).__name__ == "bool_":
            raise TypeError
        number = float(value)
        if 0 <= number <= COST_MAX:
            return number
    except Exception:
        pass
    warn_once("cost_usd", f"cost_usd is no number in 0..{COST_MAX:g}: {describe(value)[:40]}; "
                          "left out")
    return UNKNOWN
