"""Whom a side reaches, and over what."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Thread

from fed_credit.config.operator import EndpointSpec
from fed_credit.config.urls import redacted
from fed_credit.deploy.doctor.finding import Finding, warning

TIMEOUT = 2.0  # seconds for each step towards another machine

# Of OpenSSL, X509_V_ERR_*.
_NOT_YET_VALID, _EXPIRED, _HOSTNAME, _ADDRESS = 9, 10, 62, 64
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)


@dataclass(frozen=True)
class Answer:
    """What somebody said over TLS.

    Parameters
    ----------
    status : int
        Of HTTP.
    behind : float or None
        Seconds from this machine's clock to the other's, give or take ``slack``; None if it did not
        say its time.
    slack : float
        Seconds.
    """

    status: int
    behind: float | None
    slack: float


class Refused(Exception):
    """A connection that did not come about: what was seen, and what to do."""

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(found)
        self.found, self.advice = found, advice


def ask(
    endpoint: EndpointSpec,
    context: ssl.SSLContext,
    *,
    method: str = "GET",
    path: str = "/v1/fleet/",
) -> Answer:
    """Connect, shake hands, ask, and note the time.

    Parameters
    ----------
    endpoint : EndpointSpec
        Whom to ask.
    context : ssl.SSLContext
        With the authority to trust, and the client's certificate if there is one.
    method, path : str
        What to ask; nothing is sent with it.

    Returns
    -------
    Answer
        Whatever the status.

    Raises
    ------
    Refused
        If nobody answers, or not the right one.
    """
    connection = http.client.HTTPSConnection(
        _resolved(endpoint), endpoint.port, timeout=TIMEOUT, context=context
    )
    try:
        # http.client would check the certificate against the address that was looked up.
        plain = socket.create_connection((connection.host, endpoint.port), TIMEOUT)
        try:
            connection.sock = context.wrap_socket(plain, server_hostname=endpoint.host)
        except BaseException:
            plain.close()
            raise
        start = time.time()
        connection.request(method, path, headers={"Host": endpoint.address})
        response = connection.getresponse()
        end = time.time()
    except ssl.SSLCertVerificationError as error:
        raise _unverified(endpoint, error) from None
    except ssl.SSLError as error:
        raise Refused(
            f"{endpoint.address} takes connections, but the TLS handshake fails"
            f" ({error.reason or error})",
            "See what listens there; it must speak TLS.",
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise _unreached(endpoint, error) from None
    finally:
        connection.close()
    return Answer(response.status, *_skew(response.getheader("Date"), start, end))


def _resolved(endpoint: EndpointSpec) -> str:
    """Look a name up; the system's resolver knows no time limit."""
    found: list[str] = []

    def look() -> None:
        try:
            rows = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.append(str(rows[0][4][0]))

    thread = Thread(target=look, daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    if not found:
        raise Refused(
            f"the name {endpoint.host} cannot be looked up",
            "Correct the address, or ask for an entry in the DNS or in /etc/hosts.",
        )
    return found[0]


def _unverified(endpoint: EndpointSpec, error: ssl.SSLCertVerificationError) -> Refused:
    code, said = error.verify_code, error.verify_message
    if code in (_NOT_YET_VALID, _EXPIRED):
        when = "has ended" if code == _EXPIRED else "is not valid yet"
        return Refused(
            f"the certificate of {endpoint.address} {when}",
            "Look at this machine's clock first. If it is right, the operator renews the"
            " certificate with fed-credit provision.",
        )
    if code in (_HOSTNAME, _ADDRESS):
        return Refused(
            f"the certificate of {endpoint.address} is not made out for {endpoint.host}",
            "Use a name that is, or add this one to operator.hosts of consortium.yaml and let"
            " fed-credit provision make the certificate anew.",
        )
    if code in _UNKNOWN_ISSUER:
        return Refused(
            f"the certificate of {endpoint.address} was not signed by the authority in ca.crt",
            "Somebody else listens there, or ca.crt is of another consortium: compare its"
            " fingerprint with the operator's over another channel.",
        )
    return Refused(
        f"the certificate of {endpoint.address} is refused ({said})",
        "The operator makes it anew with fed-credit provision.",
    )


def _unreached(endpoint: EndpointSpec, error: Exception) -> Refused:
    if isinstance(error, ConnectionRefusedError):
        return Refused(
            f"nothing listens at {endpoint.address}",
            "Start it, or correct the address; a firewall may refuse too.",
        )
    if isinstance(error, TimeoutError):
        return Refused(
            f"{endpoint.address} does not answer within {TIMEOUT:g} s",
            f"Let the firewalls on the way pass TCP to port {endpoint.port}.",
        )
    what = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return Refused(
        f"{endpoint.address} cannot be reached ({what or type(error).__name__})",
        "See whether it runs, and whether this machine has a route to it.",
    )


def _skew(date: str | None, start: float, end: float) -> tuple[float | None, float]:
    """Return how far this clock is behind the other's; a Date header is cut to the second."""
    slack = 0.5 + (end - start) / 2
    try:
        told = parsedate_to_datetime(date or "").replace(tzinfo=UTC).timestamp() + 0.5
    except ValueError:
        return None, slack
    return told - (start + end) / 2, slack


def trusting(authority: Path, pair: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """Return a TLS context that trusts one authority alone.

    Parameters
    ----------
    authority : Path
        Its certificate.
    pair : tuple of Path, optional
        The client's certificate and key.

    Returns
    -------
    ssl.SSLContext
        For connections to others.

    Raises
    ------
    Refused
        If the files cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=str(authority))
        if pair is not None:
            context.load_cert_chain(*map(str, pair))
    except (OSError, ssl.SSLError) as error:
        named = authority if pair is None else pair[0]
        raise Refused(
            f"{named} cannot be used for TLS ({getattr(error, 'reason', None) or error.strerror})",
            "Mend the file first; see its own lines here.",
        ) from None
    return context


def detours(endpoint: EndpointSpec) -> Iterator[Finding]:
    """Check whether the environment sends connections through a proxy of its own.

    Parameters
    ----------
    endpoint : EndpointSpec
        Where this side's processes connect.

    Yields
    ------
    Finding
        One where Flower would take a detour, else none.
    """
    from urllib.request import getproxies_environment, proxy_bypass

    proxies = getproxies_environment()
    through = proxies.get("https") or proxies.get("all")
    if through and not proxy_bypass(endpoint.host, proxies):
        yield warning(
            "environment",
            f"connections to {endpoint.host} go through {redacted(through)}",
            f"Set NO_PROXY={endpoint.host}, unless this machine has no other way out. The lines"
            " below try the direct way.",
        )
