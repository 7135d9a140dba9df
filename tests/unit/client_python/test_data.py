"""Values of programs as JSON, texts and figures: whatever they are, nothing raises."""

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import pathlib
import unittest
import uuid
from unittest import mock

import fake  # noqa: F401
from llm_tracer import _data, _warning


class Colour(enum.Enum):
    RED = "red"


class Level(str, enum.Enum):
    HIGH = "high"


@dataclasses.dataclass
class Point:
    x: int
    inner: object = None


class Model:
    """As pydantic's."""

    def model_dump(self):
        return {"kind": "model", "at": datetime.date(2026, 1, 2)}


class Array:
    """As numpy's."""

    ndim = size = 0

    def __init__(self, shape, values):
        self.ndim, self.size, self.values = len(shape), len(values), values

    def item(self):
        return self.values[0]

    def tolist(self):
        return list(self.values)


class Broken:
    def __repr__(self):
        raise RuntimeError("no")

    __str__ = __repr__

    @property
    def x(self):
        raise RuntimeError("no")


class Whole:
    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value

    def __eq__(self, other):
        return self.value == other


def told(value):
    """What a reader of the JSON finds; NaN and its like are no JSON."""
    def refuse(word):
        raise ValueError(word)
    return json.loads(_data.dump(value), parse_constant=refuse)


class Json(unittest.TestCase):
    def setUp(self):
        _warning._given.clear()

    def test_json_is_itself(self):
        for value in [{}, {"a": [1, 2.5, None, True, "é\0\n"]}, [], "x", 3, None, {"n": {"m": []}}]:
            self.assertEqual(told(value), value)
        self.assertEqual(_data.dump({"é": "日"}), '{"é": "日"}'.encode())

    def test_values_of_python(self):
        moment = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
        cases = [
            (moment, "2026-01-02T03:04:05+00:00"), (datetime.timedelta(seconds=90), 90.0),
            (decimal.Decimal("1.5"), 1.5), (decimal.Decimal("NaN"), "NaN"),
            (uuid.UUID(int=1), str(uuid.UUID(int=1))), (pathlib.PurePosixPath("/a/b"), "/a/b"),
            (b"text", "text"), (b"\xff\xfe", "//4="), (bytearray(b"x"), "x"),
            ({3, 1, 2}, [1, 2, 3]), (frozenset("a"), ["a"]), ((1, 2), [1, 2]),
            (collections.deque([1, 2]), [1, 2]), (collections.OrderedDict(a=1), {"a": 1}),
            (collections.ChainMap({"a": 1}), {"a": 1}), (Colour.RED, "red"), (Level.HIGH, "high"),
            (Point(1, Point(2)), {"x": 1, "inner": {"x": 2, "inner": None}}),
            (Model(), {"kind": "model", "at": "2026-01-02"}), (range(3), "range(0, 3)"),
            (Array((), [7]), 7), (Array((2,), [1, 2]), [1, 2]), (ValueError("bad"), "ValueError: bad"),
            (1j, "1j"), (math.nan, None), (math.inf, None),
        ]
        for value, expected in cases:
            with self.subTest(value=repr(value)):
                self.assertEqual(told({"v": value}), {"v": expected})
                self.assertEqual(told(value), expected)
        self.assertEqual(set(told({1, "a"})), {1, "a"})
        self.assertEqual(told(x for x in "ab")[:11], "<generator ")
        self.assertFalse(_warning._given)

    def test_keys(self):
        value = {1: "a", None: "b", True: "c", (1, 2): "d", Colour.RED: "e", b"k": "f", 1.5: "g"}
        self.assertEqual(told(value), {"1": "c", "None": "b", "(1, 2)": "d", "red": "e", "k": "f",
                                       "1.5": "g"})

    def test_cycles(self):
        cycle = {"a": 1}
        cycle["self"] = [cycle]
        self.assertEqual(told(cycle), {"a": 1, "self": ["<dict: contains itself>"]})
        point = Point(1)
        point.inner = point
        self.assertIn("contains itself", json.dumps(told(point)))
        shared = [1]
        self.assertEqual(told({"a": shared, "b": shared, "c": {2}}), {"a": [1], "b": [1], "c": [2]})

    def test_depth(self):
        deep = []
        for _ in range(100_000):
            deep = [deep]
        self.assertIn("too deep", _data.dump(deep).decode())
        self.assertLess(len(_data.dump(deep)), 1000)
        while deep:  # its own destruction recurses no further than this
            deep = deep[0]

    def test_size(self):
        for value in [["x" * 1000] * 100_000, "x" * 50_000_000, {"k%d" % i: i for i in range(200_000)},
                      [[["y"] * 1000] * 1000] * 1000]:
            made = _data.dump(value)
            self.assertLess(len(made), 6 << 20)
            self.assertIn(b"[cut", made)
            json.loads(made)

    def test_hostile(self):
        self.assertEqual(told(Broken()), "<Broken>")
        self.assertEqual(told("\ud800"), "\ud800")
        self.assertIn("bits", told(10 ** 5000))
        self.assertEqual(told(10 ** 30), 10 ** 30)

        class Liar(dict):
            def items(self):
                raise RuntimeError("no")

        self.assertEqual(told({"a": Liar(b=1), "c": math.nan}), {"a": "{'b': 1}", "c": None})
        self.assertFalse(_warning._given)


class Texts(unittest.TestCase):
    def setUp(self):
        _warning._given.clear()

    def test_text(self):
        for value, expected in [("é", "é"), (None, None), (5, "5"), ("a\0b", "a\ufffdb"),
                                (Colour.RED, "red"), (Level.HIGH, "high"), (b"x", "x"),
                                ({"a": 1}, '{"a": 1}'), (["a"], '["a"]'), ("\ud800", "?"),
                                (Broken(), "<Broken>")]:
            made = _data.text(value)
            self.assertEqual(made if made is None else made.decode(), expected)

    def test_metadata(self):
        self.assertEqual(_data.object_or_none({"a": 1}), b'{"a": 1}')
        self.assertIsNone(_data.object_or_none(None))
        self.assertFalse(_warning._given)
        self.assertEqual(_data.object_or_none("x"), b'{"value": "x"}')
        self.assertEqual(_data.object_or_none([1]), b'{"value": [1]}')
        self.assertEqual(_warning._given, {"metadata"})

    def test_tags(self):
        self.assertEqual(_data.tags(None), [])
        self.assertEqual(_data.tags(["a", "é"]), [b"a", "é".encode()])
        self.assertEqual(_data.tags(x for x in "ab"), [b"a", b"b"])
        self.assertEqual(_data.tags("one"), [b"one"])
        self.assertFalse(_warning._given)
        self.assertEqual(_data.tags(["a", 5, None]), [b"a"])
        self.assertEqual(_data.tags(7), [])
        self.assertEqual(_warning._given, {"tag", "tags"})
        endless = iter(lambda: "x", None)
        self.assertEqual(len(_data.tags(endless)), 51)


class Figures(unittest.TestCase):
    def setUp(self):
        _warning._given.clear()

    def test_tokens(self):
        for value, expected in [(None, -1), (0, 0), (7, 7), (10 ** 12, 10 ** 12), (12.0, 12),
                                (Whole(3), 3)]:
            self.assertEqual(_data.tokens(value, "t"), expected)
        self.assertFalse(_warning._given)
        for value in [True, -1, 10 ** 12 + 1, 1.5, math.nan, math.inf, "x", [], Broken(), Whole(-2)]:
            _warning._given.clear()
            self.assertEqual(_data.tokens(value, "t"), -1, value if value is not None else "")
            self.assertEqual(_warning._given, {"t"})

    def test_cost(self):
        for value, expected in [(None, -1), (0, 0), (0.003, 0.003), (decimal.Decimal("0.5"), 0.5),
                                (1e9, 1e9)]:
            self.assertEqual(_data.cost(value), expected)
        self.assertFalse(_warning._given)
        for value in [True, -0.1, 1e10, math.nan, math.inf, "1", [], Broken()]:
            _warning._given.clear()
            self.assertEqual(_data.cost(value), -1)
            self.assertEqual(_warning._given, {"cost_usd"})

    def test_one_warning(self):
        with mock.patch.object(_warning.logger, "warning") as warning:
            for _ in range(3):
                _data.cost(-1)
        self.assertEqual(warning.call_count, 1)


if __name__ == "__main__":
    unittest.main()
