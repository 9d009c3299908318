"""How the scoring service works: ``serve.yaml``, typed and checked.

As in :mod:`fed_credit.config.spec`, no field has a default here.
"""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from fed_credit.config.convert import refused
from fed_credit.config.operation import over_packaged, own_file, read_own
from fed_credit.config.urls import check_url
from fed_credit.config.yaml_file import naming
from fed_credit.errors import ConfigurationError
from fed_credit.files import local_path

SERVE_FILE = "serve.yaml"
LANGUAGES = ("en", "zh")

_MOST_BODY = 2**28


class LogLevel(StrEnum):
    """What the service says of itself."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass
class LimitsSpec:
    """What a caller may ask for.

    Parameters
    ----------
    max_body_bytes : int
        Of one application.
    max_batch_loans, max_batch_bytes : int
        Of a batch.
    requests_per_second, burst : float, int
        For each API key, over all workers: a steady rate, and how many at once. A batch counts as
        its loans.
    headers_timeout_s, body_timeout_s : float
        Seconds for a request's headers and body to arrive.
    keep_alive_s : int
        Seconds until an idle connection is closed.
    connections : int
        At once, in each worker.
    """

    max_body_bytes: int
    max_batch_loans: int
    max_batch_bytes: int
    requests_per_second: float
    burst: int
    headers_timeout_s: float
    body_timeout_s: float
    keep_alive_s: int
    connections: int


@dataclass
class SessionSpec:
    """How long people stay signed in.

    Parameters
    ----------
    idle_minutes, lifetime_hours : float
        A session ends without a request for so long, and after so long in any case.
    attempts : int
        Failed attempts to sign in within a minute from one address, before more are refused.
    """

    idle_minutes: float
    lifetime_hours: float
    attempts: int


@dataclass
class TlsSpec:
    """Who keeps the connection secret.

    Parameters
    ----------
    certificate, key : str or None
        PEM files; with both, the service speaks HTTPS itself.
    behind_proxy : bool
        Whether a proxy speaks HTTPS and passes requests on.
    trusted_proxies : list of str
        Addresses whose word about the caller is taken, with ``behind_proxy``.
    """

    certificate: str | None
    key: str | None
    behind_proxy: bool
    trusted_proxies: list[str]


@dataclass
class ServeSpec:
    """Everything about a scoring service but its home, host and port.

    Parameters
    ----------
    registry, decision_log, keys : str
        Absolute paths, or the URLs of databases.
    durable : bool
        Whether an answer waits until its decision is on the disk.
    languages : list of str
        Of the reasons in an answer.
    shadow : bool
        Whether the challenger scores along.
    shadow_budget_ms : float
        Milliseconds that it may add to an answer, on average.
    what_if, pages : bool
        Whether these parts are there.
    poll_s : float
        Seconds between two looks for a new champion or challenger.
    log_level : LogLevel
        What the service says of itself.
    access_log : bool
        Whether each request leaves a line.
    limits : LimitsSpec
        See the class.
    sessions : SessionSpec
        See the class.
    tls : TlsSpec
        See the class.
    """

    registry: str
    decision_log: str
    keys: str
    durable: bool
    languages: list[str]
    shadow: bool
    shadow_budget_ms: float
    what_if: bool
    pages: bool
    poll_s: float
    log_level: LogLevel
    access_log: bool
    limits: LimitsSpec
    sessions: SessionSpec
    tls: TlsSpec

    @property
    def secure(self) -> bool:
        """Whether callers speak HTTPS, with the service or with its proxy."""
        return self.tls.certificate is not None or self.tls.behind_proxy


def load_serve(home: Path) -> ServeSpec:
    """Read a home's ``serve.yaml``, if it has one, over the packaged defaults.

    Parameters
    ----------
    home : Path
        The folder of the bank or the operator.

    Returns
    -------
    ServeSpec
        With absolute paths.

    Raises
    ------
    ConfigurationError
        If there is no such folder, or a key or value cannot be used; names the file and the key.
    """
    file = own_file(home, SERVE_FILE)
    own = read_own(file)
    with naming(file):
        spec = over_packaged(ServeSpec, SERVE_FILE, own)
        _check(spec)
        return _absolute(spec, home.absolute())


def check_listening(host: str, port: int, spec: ServeSpec) -> None:
    """Refuse an address on which API keys would cross a network in the clear.

    Parameters
    ----------
    host : str
        Address to listen on.
    port : int
        TCP port.
    spec : ServeSpec
        Who keeps connections secret.

    Raises
    ------
    ConfigurationError
        If nobody does and the address is not this machine's alone, or the port is none.
    """
    if not 0 < port < 65536:
        raise ConfigurationError(f"--port {port} is no port; give one from 1 to 65535.")
    if spec.secure or _is_loopback(host):
        return
    raise ConfigurationError(
        f"--host {host} would carry API keys and applications in the clear; set tls.certificate and"
        f" tls.key in {SERVE_FILE}, or tls.behind_proxy where a proxy speaks HTTPS."
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check(spec: ServeSpec) -> None:
    for language in spec.languages:
        if language not in LANGUAGES:
            raise refused("languages", spec.languages, f"choose of {', '.join(LANGUAGES)}")
    if not spec.languages or len(set(spec.languages)) < len(spec.languages):
        raise refused("languages", spec.languages, "name at least one, each once")
    for key, value in (
        ("shadow_budget_ms", spec.shadow_budget_ms),
        ("poll_s", spec.poll_s),
        ("limits.requests_per_second", spec.limits.requests_per_second),
        ("limits.headers_timeout_s", spec.limits.headers_timeout_s),
        ("limits.body_timeout_s", spec.limits.body_timeout_s),
        ("sessions.idle_minutes", spec.sessions.idle_minutes),
        ("sessions.lifetime_hours", spec.sessions.lifetime_hours),
    ):
        if not (math.isfinite(value) and value > 0):
            raise refused(key, value, "it must be above 0")
    for key in ("max_body_bytes", "max_batch_loans", "max_batch_bytes"):
        if not 1 <= getattr(spec.limits, key) <= _MOST_BODY:
            raise refused(
                f"limits.{key}", getattr(spec.limits, key), f"it must be from 1 to {_MOST_BODY}"
            )
    for key in ("burst", "keep_alive_s", "connections"):
        if getattr(spec.limits, key) < 1:
            raise refused(f"limits.{key}", getattr(spec.limits, key), "it must be at least 1")
    if spec.sessions.attempts < 1:
        raise refused("sessions.attempts", spec.sessions.attempts, "it must be at least 1")
    _check_tls(spec.tls)
    for key in ("registry", "decision_log"):
        value = getattr(spec, key)
        if "://" in value:
            check_url(key, value)


def _check_tls(tls: TlsSpec) -> None:
    if (tls.certificate is None) != (tls.key is None):
        given, other = ("certificate", "key") if tls.key is None else ("key", "certificate")
        raise ConfigurationError(f"tls.{given} is given without tls.{other}; give both or none.")
    if tls.certificate is not None and tls.behind_proxy:
        raise ConfigurationError(
            "tls.behind_proxy and tls.certificate are both set; either the proxy speaks HTTPS or"
            " the service does."
        )
    for address in tls.trusted_proxies:
        try:
            ipaddress.ip_network(address)
        except ValueError:
            raise refused(
                "tls.trusted_proxies", address, "name IP addresses, as in [127.0.0.1]"
            ) from None


def _absolute(spec: ServeSpec, home: Path) -> ServeSpec:
    def place(given: str) -> str:
        return given if "://" in given else str(home / local_path(given))

    tls = spec.tls
    if tls.certificate is not None and tls.key is not None:
        tls = replace(tls, certificate=place(tls.certificate), key=place(tls.key))
        for key in ("certificate", "key"):
            if not Path(getattr(tls, key)).is_file():
                raise refused(f"tls.{key}", getattr(tls, key), "there is no such file")
    return replace(
        spec,
        registry=place(spec.registry),
        decision_log=place(spec.decision_log),
        keys=place(spec.keys),
        tls=tls,
    )
