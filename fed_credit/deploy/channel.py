"""The operator's way to the proxy: TLS with a client certificate, and what its failures mean."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

from fed_credit.config.operator import OperatorSpec
from fed_credit.errors import ConfigurationError, DeploymentError

if TYPE_CHECKING:
    import httpx

_NO_CERTIFICATE = (
    "{where} takes no orders without an operator's certificate, and the one in {cert} was not"
    " accepted ({status}); use the operator's folder that fed-credit provision made last, or ask"
    " who runs the proxy whether the certificate is still good."
)


def operator_context(operator: OperatorSpec) -> ssl.SSLContext:
    """Return TLS settings that trust the consortium alone and show the operator's certificate.

    Parameters
    ----------
    operator : OperatorSpec
        Names the certificates.

    Returns
    -------
    ssl.SSLContext

    Raises
    ------
    ConfigurationError
        If a certificate or the key cannot be read or used.
    """
    for path in (operator.ca, operator.client_cert, operator.client_key):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be read ({error.strerror}); it belongs to the operator's folder"
                " that fed-credit provision makes."
            ) from None
    try:
        context = ssl.create_default_context(cafile=str(operator.ca))
    except ssl.SSLError:
        raise ConfigurationError(
            f"{operator.ca} is no certificate; take it back from the folder that fed-credit"
            " provision made."
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(operator.client_cert, operator.client_key)
    except ssl.SSLError:
        raise ConfigurationError(
            f"{operator.client_cert} and {operator.client_key} are no certificate with its key;"
            " take both back from the folder that fed-credit provision made."
        ) from None
    return context


def explain(error: httpx.HTTPError, operator: OperatorSpec) -> DeploymentError:
    """Say what a failed request means and what to do.

    Parameters
    ----------
    error : httpx.HTTPError
        From a request to the proxy.
    operator : OperatorSpec
        Where it went.

    Returns
    -------
    DeploymentError
        One sentence.
    """
    import httpx

    if isinstance(error, httpx.HTTPStatusError):
        return _refused(error.response, operator)
    where = operator.proxy.address
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return DeploymentError(
            f"{where} does not show a certificate of {operator.name} ({_why(text)}), so nothing was"
            f" sent; check the address, the clock and {operator.ca}."
        )
    if "SSL" in text.upper() or "TLS" in text.upper():
        return DeploymentError(
            f"{where} does not speak TLS as expected ({_why(text)}); check the port: it must be the"
            " proxy's."
        )
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return DeploymentError(
            f"Nobody answers at {where} ({_why(text) or 'no connection in time'}); start the"
            " SuperLink and the proxy there, or mend proxy in operator.yaml."
        )
    return DeploymentError(
        f"The connection to {where} broke off ({_why(text) or type(error).__name__}); look whether"
        " SuperLink and proxy still run, and try again."
    )


def _why(text: str) -> str:
    """Return what OpenSSL or the system says, without its codes."""
    text = text.rpartition("] ")[2] if "] " in text else text
    return text.partition(" (_ssl.c")[0].strip().rstrip(".")


def _refused(response: httpx.Response, operator: OperatorSpec) -> DeploymentError:
    where, status = operator.proxy.address, response.status_code
    detail = _detail(response)
    if detail is not None:
        return DeploymentError(f"The SuperLink at {where} refuses: {detail}")
    if status in (401, 403) or (status == 400 and "certificate" in response.text.lower()):
        return DeploymentError(
            _NO_CERTIFICATE.format(where=where, cert=operator.client_cert, status=status)
        )
    if status == 503:
        return DeploymentError(f"{where} is busy (503); try again in some seconds.")
    if status in (502, 504):
        return DeploymentError(
            f"The proxy at {where} runs, but the SuperLink behind it does not answer ({status});"
            " start it, and look into its log."
        )
    if status == 404:
        return DeploymentError(
            f"{where} does not know this path (404): no proxy of this consortium listens there, or"
            " one of another version of fed-credit; compare the versions on both machines."
        )
    return DeploymentError(f"{where} answers with {status}; look into the proxy's log.")


def _detail(response: httpx.Response) -> str | None:
    """Return Flower's own sentence, if the answer is the SuperLink's."""
    try:
        body = json.loads(response.text)
    except ValueError:
        return None
    if not isinstance(body, dict) or "detail" not in body:
        return None
    return " ".join(str(body[key]) for key in ("detail", "extra") if body.get(key))
