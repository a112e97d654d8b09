"""Annotation files that are plain lists: a line an image, read whole, the first bad line named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from suite.errors import SuiteError


def parse_listing(data: bytes, where: str, pattern: str, form: str, header: str = "") -> pd.DataFrame:
    """The fields of every line of a list.

    Args:
        data: the file's bytes, UTF-8; empty lines and the space around a line are left out.
        where: what errors name.
        pattern: what a line is, a regular expression (RE2) whose named groups are the fields.
        form: the same in words for the user, e.g. "<image> <identity>".
        header: what the file begins with; some releases lack the line break behind it.

    Returns:
        A text column a field; the index holds the line numbers, from 1.

    Raises:
        SuiteError: the file is no text, lacks its header or any line, or a line is not of that form.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SuiteError(f"{where}: not UTF-8 text ({error.reason} at byte {error.start}); {_ADVICE}") from None
    if not text.startswith(header):
        raise SuiteError(f"{where}: begins with {text.partition(chr(10))[0]!r:.80}, expected '{header}'; {_ADVICE}")
    # Arrow throughout: a list of half a million lines is no half a million Python objects.
    lines = pc.utf8_trim_whitespace(pc.split_pattern(pa.array([text[len(header) :]]), "\n").flatten())
    filled = pc.not_equal(lines, "").to_numpy(zero_copy_only=False)
    lines, numbers = lines.filter(pa.array(filled)), 1 + np.flatnonzero(filled)
    if not len(lines):
        raise SuiteError(f"{where}: lists nothing; {_ADVICE}")
    fields = pc.extract_regex(lines, pattern=f"^(?:{pattern})$")
    if fields.null_count:
        bad = int(np.argmax(fields.is_null().to_numpy(zero_copy_only=False)))
        found = lines[bad].as_py()
        raise SuiteError(f"{where}: line {numbers[bad]}: {found!r:.80}, expected '{form}'; {_ADVICE}")
    return pa.Table.from_struct_array(fields).to_pandas().set_index(numbers)


def refuse_repeats(table: pd.DataFrame, column: str, where: str) -> None:
    """Raise SuiteError, naming the line, where a value of `column` stands twice in a parsed list."""
    repeated = table[column].duplicated()
    if repeated.any():
        line = repeated.idxmax()
        raise SuiteError(f"{where}: line {line}: '{table.at[line, column]}' stands twice; {_ADVICE}")


_ADVICE = "get the file anew"
