"""How the conformance table is read: marks, numbered notes, counts. Plain tables in, plain text out."""

AGREES, DIFFERS, UNEXPLAINED, CANNOT, NOT_INSTALLED = (
    "agrees", "differs", "differs, unexplained", "cannot", "not installed",
)
