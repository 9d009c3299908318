"""Tracking that cannot work, or would write a password into the run folder."""

from __future__ import annotations

from urllib.parse import urlsplit

from fed_credit.config.convert import refused
from fed_credit.config.spec import TrackingKind, TrackingSpec
from fed_credit.config.urls import refuse_password
from fed_credit.errors import ConfigurationError

_SERVERS = ("http", "https")
_FILE = "sqlite"
_LONGEST_NAME = 500  # MLflow's own limit


def check_tracking(spec: TrackingSpec) -> None:
    """Refuse a tracking configuration that cannot work.

    Parameters
    ----------
    spec : TrackingSpec
        With values of the right types.

    Raises
    ------
    ConfigurationError
        Without the address, where that may hold a password.
    """
    if spec.kind is not TrackingKind.MLFLOW:
        if spec.uri is not None:
            refuse_password("tracking.uri", spec.uri)
            raise refused(
                "tracking.uri", spec.uri, f"tracking={spec.kind} has none; add tracking=mlflow"
            )
        return
    if not spec.experiment.strip() or len(spec.experiment) > _LONGEST_NAME:
        raise refused(
            "tracking.experiment", spec.experiment, f"it needs 1 to {_LONGEST_NAME} characters"
        )
    _check_uri(spec.uri)


def _check_uri(uri: str | None) -> None:
    if not uri:
        raise ConfigurationError(
            "tracking=mlflow needs tracking.uri: sqlite:///FILE, or a server's https://HOST:PORT."
        )
    refuse_password("tracking.uri", uri)
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - raises where it is no number
    except ValueError:
        parts = None
    if parts is None or "://" not in uri or parts.scheme not in (*_SERVERS, _FILE):
        raise ConfigurationError(
            "tracking.uri is no address that runs can be kept at: write sqlite:///FILE, or a"
            " server's https://HOST:PORT."
        )
    if parts.scheme in _SERVERS and "@" in parts.netloc:
        # A token stands where a user would.
        refuse_password("tracking.uri", "x://u:p@")
    if parts.scheme in _SERVERS and not parts.hostname:
        raise refused("tracking.uri", uri, "it names no host")
    if parts.scheme == _FILE and (parts.netloc or parts.path in ("", "/", "/:memory:")):
        raise refused(
            "tracking.uri", uri, "it names no file; write sqlite:///FILE, with three slashes"
        )
