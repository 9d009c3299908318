"""Addresses of databases: a password in one would end up in the run's folder."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from fed_credit.errors import ConfigurationError

USER_VARIABLE, PASSWORD_VARIABLE = "FED_CREDIT_DB_USER", "FED_CREDIT_DB_PASSWORD"

# A password may itself hold an @, a slash or a colon that nobody escaped; the port holds digits.
_WITH_PASSWORD = re.compile(r"([A-Za-z][\w+.-]*://[^\s:/?#@]*):([^\s]*)@")
_SECRET_KEYS = re.compile(r"pass|pwd|secret|token|credential", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    r"([?&;][\w.-]*(?:pass|pwd|secret|token|credential)[\w.-]*=)[^&;\s'\"]+", re.IGNORECASE
)


def redacted(text: str) -> str:
    """Return a text with the passwords of the addresses in it struck out."""
    return _SECRET_PARAMETER.sub(r"\1***", _WITH_PASSWORD.sub(r"\1:***@", text))


def refuse_password(key: str, url: str) -> None:
    """Refuse an address with a password in it, without saying the password.

    Parameters
    ----------
    key : str
        Where it stands, for the message.
    url : str
        The address, or a text that may hold one.

    Raises
    ------
    ConfigurationError
        That says which environment variables to use instead.
    """
    if redacted(url) != url:
        raise ConfigurationError(
            f"{key} holds a password, which would be written to the run folder: take it out of the"
            f" address and set {_instead(key, url)}."
        )


def _instead(key: str, url: str) -> str:
    """Say where a password belongs, which is for the library that needs it to read."""
    if key.startswith("tracking.") or url.startswith("tracking."):
        return (
            "the environment variables MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or"
            " MLFLOW_TRACKING_TOKEN"
        )
    return (
        f"the environment variable {PASSWORD_VARIABLE} (or, for PostgreSQL, PGPASSWORD or a file"
        f" named by PGPASSFILE), and the user likewise as {USER_VARIABLE} or PGUSER"
    )


def check_url(key: str, url: str) -> None:
    """Refuse what is no address of a database, or holds a password.

    Parameters
    ----------
    key : str
        The dotted key it was given under.
    url : str
        The address.

    Raises
    ------
    ConfigurationError
        Without the address, which may hold what it must not.
    """
    refuse_password(key, url)
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        parts = None
    if parts is None or not parts.scheme or "://" not in url:
        raise ConfigurationError(
            f"{key} is no address of a database: write one like sqlite:///FILE or"
            " postgresql+psycopg://HOST:5432/DATABASE."
        )
    if any(_SECRET_KEYS.search(name) for name, _ in parse_qsl(parts.query)):
        refuse_password(key, "x://u:p@")
