"""Running a service: checks before the start, the socket, the workers, and the end."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import stat
import sys
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from fed_credit.config.serve import ServeSpec
from fed_credit.decision_log.log import DecisionLog
from fed_credit.errors import ServingError
from fed_credit.registry.registry import Registry
from fed_credit.serving.keys import KeyRing
from fed_credit.serving.protocol import limited_protocol

_BACKLOG = 2048
_GRACE_S = 10
_FOLDER = "fed-credit-serve-"


class Role(StrEnum):
    """Whose service it is."""

    BANK = "bank"
    OPERATOR = "operator"


@dataclass(frozen=True)
class Service:
    """A service that is to run.

    Parameters
    ----------
    role : Role
        Whose it is.
    home : Path
        Folder of the bank or the operator, absolute.
    settings : ServeSpec
        How it works.
    host : str
        Address to listen on.
    port : int
        TCP port.
    workers : int
        Processes.
    """

    role: Role
    home: Path
    settings: ServeSpec
    host: str
    port: int
    workers: int

    @property
    def url(self) -> str:
        """Where it is reached."""
        scheme = "https" if self.settings.tls.certificate is not None else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"


def serve(service: Service) -> None:
    """Run a service until it is asked to end.

    Parameters
    ----------
    service : Service
        What to run.

    Raises
    ------
    FedCreditError
        If it cannot start: no champion, no key, a file that others may read or write, a port in
        use.
    """
    check(service)
    listener = _bound(service)
    folder = _folder()
    work = partial(run_worker, service, folder, os.getpid())
    # Ended from outside, the service ends as if its terminal had asked, and clears up.
    signal.signal(signal.SIGTERM, _leave)
    try:
        if service.workers == 1:
            work([listener])
        else:
            from uvicorn.supervisors import Multiprocess

            supervised = uvicorn.Config("", workers=service.workers, log_config=None)
            Multiprocess(supervised, target=work, sockets=[listener]).run()
    finally:
        listener.close()
        shutil.rmtree(folder, ignore_errors=True)


def check(service: Service) -> None:
    """Refuse to start what could not serve, or not safely.

    Parameters
    ----------
    service : Service
        What is to run.

    Raises
    ------
    FedCreditError
        See :func:`serve`.
    """
    settings = service.settings
    keys = Path(settings.keys)
    secret = [keys]
    if settings.tls.key is not None:
        secret.append(Path(settings.tls.key))
    if service.role is Role.BANK:
        with Registry.open(settings.registry) as registry:
            if registry.champion() is None:
                raise ServingError(
                    f"Registry {settings.registry} has no champion; promote a version with"
                    " fed-credit registry promote."
                )
        DecisionLog.open(settings.decision_log, create=True).close()
        for where in (settings.registry, settings.decision_log):
            if "://" not in where:
                secret.append(Path(where))
    made = KeyRing.load(keys).keys()
    if all(key.revoked is not None for key in made):
        raise ServingError(f"{keys} holds no key; make one with fed-credit keys add --name NAME.")
    for path in secret:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ServingError(
                f"{path} can be read or written by other users of this machine; take that from them"
                f" with: chmod 600 {path}"
            )


def run_worker(
    service: Service, folder: Path, parent: int, sockets: list[socket.socket] | None
) -> None:
    """Run one worker until it is asked to end.

    Parameters
    ----------
    service : Service
        What to run.
    folder : Path
        What the workers share.
    parent : int
        Process that began the service; its workers end with it.
    sockets : list of socket
        Where to listen.
    """
    settings = service.settings
    logging.basicConfig(
        level=str(settings.log_level).upper(),
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    # What it says of starting and ending, we say ourselves.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    app = application(service, folder, parent)
    server = _Server(configured(app, settings), f"Serving {service.home} on {service.url}")
    server.run(sockets)
    if not server.started:
        raise ServingError("The service could not start; what is said above tells why.")


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, words: str) -> None:
        super().__init__(config)
        self._words = words

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"{self._words} (process {os.getpid()}); Ctrl-C ends it.", flush=True)


def application(service: Service, folder: Path, parent: int) -> FastAPI:
    """Return the application of a service's role, ready to answer."""
    opening = (service.home, service.settings, folder, service.workers)
    if service.role is Role.BANK:
        from fed_credit.serving.app import bank_app
        from fed_credit.serving.state import BankState

        return bank_app(BankState.open(*opening), parent)
    from fed_credit.serving.operator import operator_app
    from fed_credit.serving.state import ServiceState

    app: FastAPI = operator_app(ServiceState.open(*opening), parent)
    return app


def configured(app: Any, settings: ServeSpec) -> uvicorn.Config:
    """Return uvicorn's configuration for an application.

    Parameters
    ----------
    app : ASGI application
        What answers.
    settings : ServeSpec
        Limits, and who keeps connections secret.

    Returns
    -------
    uvicorn.Config
    """
    limits, tls = settings.limits, settings.tls
    return uvicorn.Config(
        app,
        http=limited_protocol(limits.headers_timeout_s, limits.body_timeout_s),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        limit_concurrency=limits.connections,
        timeout_keep_alive=limits.keep_alive_s,
        timeout_graceful_shutdown=_GRACE_S,
        proxy_headers=tls.behind_proxy,
        forwarded_allow_ips=tls.trusted_proxies,
        ssl_certfile=tls.certificate,
        ssl_keyfile=tls.key,
    )


def _folder() -> Path:
    """Make the folder that the workers share, and remove those of services that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*"):
        number = path.name.removeprefix(_FOLDER).partition("-")[0]
        if number.isdigit() and not _lives(int(number)):
            shutil.rmtree(path, ignore_errors=True)  # another user's stays
    return Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _bound(service: Service) -> socket.socket:
    family = socket.AF_INET6 if ":" in service.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((service.host, service.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ServingError(
            f"{service.host}:{service.port} cannot be listened on ({error.strerror or error});"
            " choose another one with --host and --port."
        ) from None
    listener.set_inheritable(True)
    return listener


def _leave(number: int, frame: Any) -> None:
    raise SystemExit(0)
