"""How a scorecard's files spell things."""

from __future__ import annotations


def number(value: float) -> str:
    """Return the shortest text that reads back as the same number, whole ones without a point."""
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(float(value))
