"""Pickles give plain data or one line; nothing in them runs."""

from __future__ import annotations

import collections
import datetime
import pickle
import struct
import tracemalloc
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.datasets.archives import load_pickle, pickles
from suite.errors import SuiteError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=300)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(max_size=9) | st.integers(), inner, max_size=5)
        | st.tuples(inner)
        | st.tuples(inner, inner, inner, inner)
        | st.sets(st.integers(), max_size=4)
    ),
)
ARRAYS = [
    np.arange(12, dtype=np.int64).reshape(3, 4),
    np.arange(12, dtype=">i4").reshape(3, 4),
    np.asfortranarray(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)),
    np.array([[True, False]]),
    np.array(["all_souls_000013", "é"]),
    np.array([b"a", b"bcd"]),
    np.zeros((0, 4)),
    np.array(2.5),
    np.array([1 + 2j], np.complex64),
]


@given(VALUES)
@pytest.mark.parametrize("protocol", range(5))
def test_plain_values_come_back(protocol: int, value: object):
    assert load_pickle(pickle.dumps(value, protocol), "value") == value


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: array.dtype.str)
def test_arrays_come_back(array: np.ndarray, protocol: int):
    found = load_pickle(pickle.dumps({"twice": [array, array]}, protocol), "array")["twice"]
    assert found[0] is found[1]
    assert type(found[0]) is np.ndarray
    assert (found[0].dtype, found[0].shape) == (array.dtype, array.shape)
    assert found[0].flags.writeable
    np.testing.assert_array_equal(found[0], array)


@pytest.mark.parametrize("protocol", range(5))
def test_scalars_and_ordered_dicts_come_back_plain(protocol: int):
    value = {"a": np.float32(2.5), "b": np.int64(-7), "c": collections.OrderedDict(x=1, y=[2])}
    found = load_pickle(pickle.dumps(value, protocol), "value")
    assert (found, type(found["a"]), type(found["c"])) == (value, np.float32, dict)


def test_a_ground_truth_as_python_2_wrote_it():
    """Layout of `gnd_roxford5k.pkl`: protocol 2, text and array bytes as byte strings, dtype flags as numbers."""

    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value

    def call(function: bytes, *arguments: bytes) -> bytes:
        return b"c" + function + b"\n(" + b"".join(arguments) + b"tR"

    dtype = (
        call(b"numpy\ndtype", text(b"i8"), b"K\0", b"K\1")
        + b"(K\3"
        + text(b"<")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    )
    array = call(b"numpy.core.multiarray\n_reconstruct", b"cnumpy\nndarray\n", b"K\0\x85", text(b"b"))
    array += b"(K\1K\2\x85" + dtype + b"\x89" + text(struct.pack("<2q", 3, 200)) + b"tb"
    box = b"](" + b"".join(b"G" + struct.pack(">d", value) for value in (136.5, 34.1)) + b"e"
    query = b"}q\2(" + text(b"bbx") + box + text(b"easy") + array + b"u"
    data = b"\x80\2}q\1(" + text(b"imlist") + b"](" + text(b"caf\xe9_1") + b"e" + text(b"gnd") + b"](" + query + b"eu."
    found = load_pickle(data, "gnd")
    assert found["imlist"] == ["café_1"]
    assert found["gnd"][0]["bbx"] == [136.5, 34.1]
    np.testing.assert_array_equal(found["gnd"][0]["easy"], np.array([3, 200]))


class Runs:
    """What a hostile pickle is: a call in the place of a value."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def array_state(shape: tuple, dtype: np.dtype, raw: object) -> bytes:
    """A pickle of an array with a state of one's own."""
    parts = [pickle.dumps(part, 2)[2:-1] for part in (1, shape, dtype, False, raw)]
    start = b"\x80\2cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R("
    return start + b"".join(parts) + b"tb."


def dtype_state(code: bytes, state: tuple) -> bytes:
    made = b"cnumpy\ndtype\nU" + bytes([len(code)]) + code + b"K\0K\1\x87R" + pickle.dumps(state, 2)[2:-1] + b"b"
    return b"\x80\2cnumpy.core.multiarray\nscalar\n" + made + b"U\x08" + bytes(8) + b"\x86R."


FIELDS = {"x": (np.dtype("i8"), 0)}
HASH = b"\x80\2}" + b"K\1" + b"2\x86" * 60 + b"K\1s."

HOSTILE = {
    "system": (pickle.dumps({"gnd": Runs(__import__("os").system, "touch ran")}), r"asks for (posix|nt)\.system"),
    "eval": (pickle.dumps(Runs(eval, "open('ran', 'w')")), r"asks for builtins\.eval"),
    "eval of Python 2": (b"c__builtin__\neval\n(U\x11open('ran', 'w')tR.", r"asks for __builtin__\.eval"),
    "getattr": (pickle.dumps(Runs(getattr, {}, "clear")), r"asks for builtins\.getattr"),
    "open": (pickle.dumps(Runs(open, "ran", "w")), r"asks for _?io\.open"),
    "numpy.load": (pickle.dumps(Runs(np.load, "x.npy")), r"asks for numpy\.load"),
    "numpy's runner of commands": (b"cnumpy.testing._private.utils\nrunstring\n(U\1xtR.", "asks for numpy.testing"),
    "dotted name": (b"\x80\4\x8c\5numpy\x8c\x11ndarray.__class__\x93.", r"asks for numpy\.ndarray\.__class__"),
    "stack global of numbers": (b"\x80\4K\1K\2\x93.", r"asks for 1\.2"),
    "class": (pickle.dumps(PurePosixPath("x")), r"asks for pathlib\.PurePosixPath"),
    "date": (pickle.dumps(datetime.date(2020, 1, 1)), r"asks for datetime\.date"),
    "instance": (b"(icollections\nOrderedDict\n.", "asks for the operation INST"),
    "object": (b"(c__builtin__\nset\no.", "asks for the operation OBJ"),
    "new object": (b"\x80\2c__builtin__\nset\n)\x81.", "asks for the operation NEWOBJ"),
    "persistent id": (b"Pfile:///etc/passwd\n.", "asks for the operation PERSID"),
    "binary persistent id": (b"\x80\2K\1Q.", "asks for the operation BINPERSID"),
    "extension": (b"\x80\2\x82\1.", "asks for the operation EXT1"),
    "buffer of elsewhere": (b"\x80\5\x97.", "asks for the operation NEXT_BUFFER"),
    "bytearray": (pickle.dumps(bytearray(b"x"), 5), "asks for the operation BYTEARRAY8"),
    "state of a dict": (b"\x80\2}}U\1xK\1sb.", "asks for a state for plain data"),
    "call of a list": (b"\x80\2]K\1\x85R.", "asks for a call of something that is no function"),
    "array of objects": (pickle.dumps(np.array([{}, None], object)), "asks for an array of 'O8'"),
    "array of records": (pickle.dumps(np.zeros(2, "i8,f4")), "asks for an array of 'V12'"),
    "array of dates": (pickle.dumps(np.array(["2020"], "M8[D]")), "asks for an array of 'M8"),
    "numbers turned to records": (dtype_state(b"i8", (3, "<", None, ("x",), FIELDS, 8, 1, 0)), "asks for an array of"),
    "numbers of a hostile byte order": (dtype_state(b"i8", (3, "O", None, None, None, -1, -1, 63)), "array of records"),
    "addresses as an array": (dtype_state(b"O8", (3, "|", None, None, None, -1, -1, 0)), "asks for an array of 'O8'"),
    "matrix": (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(I0\ntU\1btR.",
        "array of its own class or size",
    ),
    "array that allocates by itself": (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(J\xff\xff\xff\x7ftU\1btR.",
        "array of its own class or size",
    ),
    "array without its bytes": (array_state((2**40,), np.dtype("f8"), b"12345678"), "bytes are not of its size"),
    "array of negative size": (array_state((-1, -1), np.dtype("f8"), b"12345678"), "an array of unknown kind"),
    "array of empty text": (array_state((2**62,), np.dtype("S0"), b""), "not of its size"),
    "array of lists": (array_state((1,), np.dtype("f8"), [1.0]), "bytes are not of its size"),
    "bytes by the terabyte": (b"\x80\4\x8e" + struct.pack("<Q", 2**40) + b"x.", "not a sound pickle"),
    "text by the terabyte": (b"\x80\4\x8d" + struct.pack("<Q", 2**40) + b"x.", "not a sound pickle"),
    "bytes on demand": (b"c__builtin__\nbytes\n(J\xff\xff\xff\x7ftR.", "not a sound pickle"),
    "memo that allocates": (b"\x80\2Nr\xff\xff\xff\x7f", "not a sound pickle"),
    "integer of a million digits": (b"I" + b"9" * 1_000_000 + b"\n.", "not a sound pickle"),
    "tuple whose hash never ends": (HASH, "asks for a key that is no number or text"),
    "set of such": (b"\x80\4\x8fK\1(" + b"2\x86" * 60 + b"\x90.", "not a sound pickle|a key that is no number"),
    "unhashable key": (b"\x80\2}]K\1s.", "asks for a key that is no number or text"),
    "encoded by another codec": (b"c_codecs\nencode\n(U\1xU\5utf16tR.", "text in another encoding than latin1"),
    "function as the value": (b"c__builtin__\nset\n.", "does not end where it should"),
    "nothing": (b"", "not a sound pickle"),
    "no end": (pickle.dumps([1, 2])[:-1], "not a sound pickle"),
    "cut in the middle": (pickle.dumps({"a": list(range(500))})[:300], "not a sound pickle"),
    "more after the end": (pickle.dumps([1]) + b"more", "does not end where it should"),
    "empty stack": (b".", "not a sound pickle"),
    "mark without end": (b"(K\1.", "not a sound pickle"),
    "popped below the floor": (b"00.", "not a sound pickle"),
    "noted nowhere": (b"h\7.", "not a sound pickle"),
    "one key, no value": (b"\x80\2}(K\1u.", "not a sound pickle"),
    "a web page": (b"<html>404</html>", "not a sound pickle"),
    "oversized": (bytes(pickles.MAX_PICKLE_BYTES + 1), "a pickle of 268,435,457 bytes, more than"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickle_is_refused_and_nothing_runs(name: str, tmp_path: Path, monkeypatch):
    data, line = HOSTILE[name]
    monkeypatch.chdir(tmp_path)
    tracemalloc.start()
    with pytest.raises(SuiteError, match=line) as caught:
        load_pickle(data, "archive.tar: gnd.pkl")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    text = str(caught.value)
    assert text.startswith("archive.tar: gnd.pkl: ")
    assert text.isprintable()
    assert len(text) < 300
    assert list(tmp_path.iterdir()) == []
    assert peak < 16 * 2**20


def test_refused_memo_names_the_missing_end_not_memory():
    # The same index with an end is a plain None: the memo is a dict here, not a table of two thousand million places.
    assert load_pickle(b"\x80\2Nr\xff\xff\xff\x7f.", "memo") is None


def test_too_many_operations_are_refused(monkeypatch):
    monkeypatch.setattr(pickles, "MAX_OPERATIONS", 1000)
    with pytest.raises(SuiteError, match="more than 1,000 operations"):
        load_pickle(b"(" + b"]" * 1000 + b"l.", "many")


@given(st.binary(max_size=60))
def test_any_bytes_give_plain_data_or_one_line(data: bytes):
    value, told = None, "noise: "
    try:
        value = load_pickle(data, "noise")
    except SuiteError as error:
        told = str(error)
    assert not callable(value)
    assert told.startswith("noise: ")
    assert told.isprintable()
