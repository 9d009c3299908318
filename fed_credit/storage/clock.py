"""Times as the databases hold them: text in UTC that sorts as the times do."""

from __future__ import annotations

from datetime import UTC, datetime

from fed_credit.errors import ConfigurationError

LENGTH = len("2024-06-30T12:00:00.000000Z")


def now() -> str:
    """Return the present time in UTC, as in ``2024-06-30T12:00:00.000000Z``."""
    return _text(datetime.now(UTC))


def utc(key: str, text: str) -> str:
    """Return a date or a time that a user gave, as the databases hold it.

    Parameters
    ----------
    key : str
        Where it was given, for the message.
    text : str
        ISO 8601; a date is its first moment, a time without a zone is UTC.

    Returns
    -------
    str

    Raises
    ------
    ConfigurationError
        If it is no time.
    """
    try:
        given = datetime.fromisoformat(text)
        return _text(given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC))
    except (ValueError, OverflowError):
        raise ConfigurationError(
            f"{key} {text!r} is no date or time; write one like 2024-06-30 or 2024-06-30T12:00:00Z."
        ) from None


def _text(time: datetime) -> str:
    return f"{time.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
