"""Origins: where the source files of data sets come from, and how they are brought, whole and verified."""

from suite.datasets.origins.fetcher import Fetcher
from suite.datasets.origins.patience import Patience
from suite.datasets.origins.settings import (
    MANIFEST,
    ByHandOrigin,
    FileOrigin,
    FtpOrigin,
    HttpsOrigin,
    Origin,
    SourceFile,
)

__all__ = [
    "MANIFEST",
    "ByHandOrigin",
    "Fetcher",
    "FileOrigin",
    "FtpOrigin",
    "HttpsOrigin",
    "Origin",
    "Patience",
    "SourceFile",
]
