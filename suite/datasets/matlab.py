"""MATLAB files of others (version 5), read without trust.

SciPy's reader takes lengths from the file at their word: a damaged or hostile file can crash or stall the process that
reads it. It therefore reads in a process of its own, which hands back plain lists.
"""

from __future__ import annotations

import io
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from suite.errors import SuiteError

_PATIENCE_SECONDS = 120


def load_matlab(data: bytes, where: str) -> dict[str, Any]:
    """The variables of a MATLAB file.

    Args:
        data: the file.
        where: names it in errors.

    Returns:
        Name -> a list of the elements (of a cell array or matrix with one long side), or, of a struct array, field
        -> a list of its values.

    Raises:
        SuiteError: the file cannot be read.
    """
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_variables, args=(data, sender), daemon=True)
    process.start()
    sender.close()
    try:
        found = receiver.recv() if receiver.poll(_PATIENCE_SECONDS) else "its reader came to no end"
    except EOFError:
        found = "its reader crashed"
    finally:
        receiver.close()
        process.kill()
        process.join()
    if isinstance(found, str):
        raise SuiteError(f"{where}: not a sound MATLAB file of version 5 ({found}); get the file anew")
    return found


def _send_variables(data: bytes, sender: Connection) -> None:
    """Send the variables, or a text that says why there are none."""
    from scipy.io import loadmat

    try:
        read = loadmat(io.BytesIO(data), squeeze_me=True)
        sender.send({name: _plain(value) for name, value in read.items() if not name.startswith("__")})
    except Exception as error:
        # Of damage SciPy tells with errors of many kinds.
        sender.send(" ".join(str(error).split())[:200] or type(error).__name__)


def _plain(value: Any) -> Any:
    array = np.atleast_1d(value)
    if array.dtype.names is None:
        return array.tolist()
    return {name: array[name].tolist() for name in array.dtype.names}
