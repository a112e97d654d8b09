from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suite.datasets.listings import parse_listing, refuse_repeats
from suite.errors import SuiteError

PATTERN, FORM = r"(?P<name>\S+) (?P<number>\d+)", "<name> <number>"
WORDS = st.text("abé./-_,;", min_size=1)


@given(
    st.lists(st.tuples(WORDS, st.integers(0, 10**9)), min_size=1),
    st.sampled_from(["\n", "\r\n", "\n\n", " \n"]),
)
def test_a_written_list_is_read_back_with_its_line_numbers(rows, end):
    data = "".join(f"{name} {number}{end}" for name, number in rows).encode()
    table = parse_listing(data, "list.txt", PATTERN, FORM)
    assert list(zip(table["name"], table["number"].astype(int), strict=True)) == rows
    step = 2 if end == "\n\n" else 1
    assert table.index.tolist() == [1 + step * place for place in range(len(rows))]


@pytest.mark.parametrize("data", [b"a 1", b"\xef\xbb\xbfa 1\n", b"\n  a 1  \n\n", b"a 1\r\n"])
def test_marks_and_empty_lines_around_a_list_do_not_matter(data):
    assert parse_listing(data, "list.txt", PATTERN, FORM).to_dict("records") == [{"name": "a", "number": "1"}]


@pytest.mark.parametrize(("between", "line"), [("", 1), ("\n", 2), ("\r\n", 2)])
def test_a_header_may_lack_its_line_break(between, line):
    table = parse_listing(f"name, no{between}a 1\nb 2".encode(), "list.txt", PATTERN, FORM, "name, no")
    assert table["name"].tolist() == ["a", "b"]
    assert table.index.tolist() == [line, line + 1]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a 1\n\nb\n", r"^list\.txt: line 3: 'b', expected '<name> <number>'; get the file anew$"),
        (b"a 1 extra\n", r"line 1: 'a 1 extra'"),
        (b"", r"lists nothing"),
        (b"a 1\n\xff", r"not UTF-8 text \(invalid start byte at byte 4\)"),
        (b"<html>" + b"x" * 500, r"^[^\n]{1,160}$"),
    ],
)
def test_the_first_bad_line_is_named_in_one_line(data, message):
    with pytest.raises(SuiteError, match=message):
        parse_listing(data, "list.txt", PATTERN, FORM)


def test_the_line_of_a_repeated_value_is_named():
    table = pd.DataFrame({"key": ["a", "b", "a"]}, index=[1, 2, 4])
    with pytest.raises(SuiteError, match=r"list\.txt: line 4: 'a' stands twice"):
        refuse_repeats(table, "key", "list.txt")
    refuse_repeats(table.iloc[:2], "key", "list.txt")
