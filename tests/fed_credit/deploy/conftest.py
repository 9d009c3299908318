"""A real SuperLink over TLS, the proxy before it, and SuperNodes: processes on free ports."""

from __future__ import annotations

import datetime
import ipaddress
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import jinja2
import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import fed_credit.deploy
from fed_credit.config.operator import BankEntry, BankStatus, OperatorSpec, load_operator
from fed_credit.deploy.control import Control
from fed_credit.deploy.records import NodeStatus

_BIN = Path(sys.executable).parent
_TEMPLATES = Path(fed_credit.deploy.__file__).parent / "templates"
_PATIENCE_S = 90.0
_NOW = datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class Authority:
    """A certificate authority that lives as long as the tests.

    Parameters
    ----------
    key : EllipticCurvePrivateKey
        Signs.
    certificate : Certificate
        Self-signed.
    """

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def issue(
        self, folder: Path, name: str, *, hosts: tuple[str, ...] = (), days: int = 30
    ) -> tuple[Path, Path]:
        """Write ``NAME.crt`` and ``NAME.key``: a server's with hosts, a client's without."""
        key = ec.generate_private_key(ec.SECP256R1())
        use = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        built = (
            _certificate(name, self.certificate.subject, key, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(_authority_id(self.key), critical=False)
        )
        if hosts:
            built = built.add_extension(
                x509.SubjectAlternativeName([_general_name(host) for host in hosts]),
                critical=False,
            )
        _write_certificate(folder / f"{name}.crt", built.sign(self.key, hashes.SHA256()))
        _write_key(folder / f"{name}.key", key)
        return folder / f"{name}.crt", folder / f"{name}.key"


@dataclass(frozen=True)
class SuperLink:
    """A running SuperLink of a consortium.

    Parameters
    ----------
    home : Path
        The operator's folder: certificates, ``operator.yaml``, an empty ``banks.json``, ``runs/``.
    host, port : str, int
        Where it listens, on loopback.
    consortium, operators : Authority
        Who signed the server's and the operator's certificates.
    process : subprocess.Popen
        ``flower-superlink``.
    log : Path
        What it printed.
    """

    home: Path
    host: str
    port: int
    consortium: Authority
    operators: Authority
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @property
    def ca(self) -> Path:
        """The consortium's certificate."""
        return self.home / "ca.crt"

    @property
    def operator(self) -> OperatorSpec:
        """What the operator's commands read; they go straight to the SuperLink."""
        return load_operator(self.home)


@dataclass(frozen=True)
class Proxy:
    """A running nginx before the SuperLink.

    Parameters
    ----------
    address : str
        Host and port.
    port : int
        On loopback.
    log : Path
        Its access log.
    """

    address: str
    port: int
    log: Path


def make_authority(name: str) -> Authority:
    """Make an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    certificate = (
        _certificate(name, subject, key, 60)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate)


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path) -> dict[str, str]:
    """Return what every process of a deployment runs with; ``home`` is its Flower folder."""
    return {
        **os.environ,
        "PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}",
        "FLWR_HOME": str(home),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.1",
        "OMP_NUM_THREADS": "1",
    }


def wait_for(
    ready: Callable[[], bool], what: str, process: subprocess.Popen[bytes] | None = None
) -> None:
    """Wait until something is so, a process ends or patience does."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        if ready():
            return
        if process is not None and process.poll() is not None:
            pytest.fail(f"{what}: the process ended with {process.returncode}")
        time.sleep(0.1)
    pytest.fail(f"{what}: not within {_PATIENCE_S:.0f} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started, politely first."""
    family = [process, *_children(process.pid)]
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(15)
    left = [child for child in family[1:] if isinstance(child, psutil.Process)]
    _, alive = psutil.wait_procs(left, timeout=10)
    for child in alive:
        child.kill()


def start_superlink(home: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    """Start a SuperLink on an operator's folder and wait until it answers."""
    command = [
        str(_BIN / "flower-superlink"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--ssl-ca-certfile", str(home / "ca.crt")),
        *("--ssl-certfile", str(home / "server.crt")),
        *("--ssl-keyfile", str(home / "server.key")),
        *("--database", str(home / "superlink.db")),
        "--enable-supernode-auth",
        "--disable-runtime-dependency-installation",
    ]
    variables = {**environment(home / "flwr"), "FED_CREDIT_RUNS": str(home / "runs")}
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=home, env=variables, stdout=out, stderr=subprocess.STDOUT
        )
    context = ssl.create_default_context(cafile=str(home / "ca.crt"))

    def answers() -> bool:
        try:
            return httpx.get(f"https://127.0.0.1:{port}/health", verify=context).is_success
        except httpx.TransportError:
            return False

    try:
        wait_for(answers, f"SuperLink on port {port} ({log})", process)
    except BaseException:
        stop(process)
        raise
    return process


@pytest.fixture(scope="session")
def superlink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SuperLink]:
    """A SuperLink over TLS that knows no bank yet; shared, so that a test cleans up behind it."""
    home = tmp_path_factory.mktemp("operator")
    consortium, operators = make_authority("Test Consortium"), make_authority("Test Operators")
    _write_certificate(home / "ca.crt", consortium.certificate)
    _write_certificate(home / "operator-ca.crt", operators.certificate)
    consortium.issue(home, "server", hosts=("localhost", "127.0.0.1"))
    operators.issue(home, "operator")
    for folder in ("runs", "flwr", "log", "tmp"):
        (home / folder).mkdir()
    (home / "banks.json").write_text("[]\n", encoding="utf-8")
    port = free_port()
    place = f"{{host: 127.0.0.1, port: {port}}}"
    (home / "operator.yaml").write_text(
        f"name: Test Consortium\nsuperlink: {place}\nproxy: {place}\nca: ca.crt\n"
        "client_cert: operator.crt\nclient_key: operator.key\nruns: runs\n",
        encoding="utf-8",
    )
    log = home / "log" / "superlink.log"
    process = start_superlink(home, port, log)
    try:
        yield SuperLink(home, "127.0.0.1", port, consortium, operators, process, log)
    finally:
        stop(process)


@pytest.fixture(scope="session")
def proxy(superlink: SuperLink) -> Iterator[Proxy]:
    """The packaged nginx configuration, running before :func:`superlink`."""
    process, port = _start_nginx(superlink.home, superlink.port)
    try:
        yield Proxy(f"127.0.0.1:{port}", port, superlink.home / "log" / "proxy.jsonl")
    finally:
        stop(process)


@pytest.fixture
def start_proxy(tmp_path: Path, superlink: SuperLink) -> Iterator[Callable[[int], int]]:
    """Start a further proxy of the consortium, before another port; give its own port."""
    started = []

    def start(upstream: int) -> int:
        home = tmp_path / f"proxy-{upstream}"
        home.mkdir()
        for name in ("ca.crt", "server.crt", "server.key", "operator-ca.crt"):
            shutil.copy(superlink.home / name, home)
        for folder in ("log", "tmp", "runs"):
            (home / folder).mkdir()
        process, port = _start_nginx(home, upstream)
        started.append(process)
        return port

    yield start
    for process in started:
        stop(process)


@pytest.fixture
def forget_nodes(superlink: SuperLink) -> Iterator[None]:
    """Unregister what a test has registered at the shared SuperLink."""
    yield
    with Control(superlink.operator) as control:
        for node in control.nodes():
            if node.status is not NodeStatus.UNREGISTERED:
                control.unregister(node.node_id)


@pytest.fixture(scope="session")
def make_node_key() -> Callable[..., tuple[Path, str]]:
    """Write a SuperNode's key pair; give the private half's path and the public half's text."""
    return _make_node_key


@pytest.fixture(scope="session")
def make_entry() -> Callable[..., BankEntry]:
    """Make a bank's entry in ``banks.json``."""

    def make(name: str, public_key: str, status: BankStatus = BankStatus.ACTIVE) -> BankEntry:
        return BankEntry(name, name.lower().replace(" ", "-"), public_key, status)

    return make


@pytest.fixture
def start_supernode(
    superlink: SuperLink, tmp_path: Path
) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], Path]]]:
    """Start SuperNodes with a key; give process and log. They end with the test."""
    started = []

    def start(
        key: Path | None, address: str = superlink.address
    ) -> tuple[subprocess.Popen[bytes], Path]:
        home = tmp_path / f"node-{len(started)}"
        home.mkdir()
        log = home / "log"
        command = [
            str(_BIN / "flower-supernode"),
            *("--superlink", address, "--root-certificates", str(superlink.ca)),
            *(() if key is None else ("--auth-supernode-private-key", str(key))),
            *("--host", "127.0.0.1", "--port", str(free_port())),
            *("--max-retries", "2"),
        ]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=home, env=environment(home), stdout=out, stderr=subprocess.STDOUT
            )
        started.append(process)
        return process, log

    yield start
    for process in started:
        stop(process)


@pytest.fixture(scope="session")
def patiently() -> Callable[..., None]:
    """Wait until something is so, for as long as a busy machine may need."""
    return wait_for


def _make_node_key(folder: Path, name: str = "node") -> tuple[Path, str]:
    """Write a SuperNode's ``NAME.key`` and ``NAME.pub``; return the first and the second's text."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP384R1())
    _write_key(folder / f"{name}.key", key, serialization.PrivateFormat.OpenSSH)
    public = (
        key.public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        .decode()
    )
    (folder / f"{name}.pub").write_text(public + "\n", encoding="utf-8")
    return folder / f"{name}.key", public


def _start_nginx(home: Path, upstream: int) -> tuple[subprocess.Popen[bytes], int]:
    """Start nginx in an operator's folder, as its start script does; give process and port."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed, so the proxy is not tested here")
    port = free_port()
    loader = jinja2.FileSystemLoader(_TEMPLATES)
    template = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined).get_template(
        "nginx.conf.j2"
    )
    text = template.render(
        proxy_host="127.0.0.1", proxy_port=port, superlink_host="127.0.0.1", superlink_port=upstream
    )
    (home / "nginx.conf").write_text(text, encoding="utf-8")
    log = home / "log" / "nginx.log"
    # Started by root, its workers would be nobody, who may not look into the folder.
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    with log.open("ab") as out:
        process = subprocess.Popen(
            [nginx, "-p", str(home), "-c", "nginx.conf", "-e", "stderr", *user],
            stdout=out,
            stderr=subprocess.STDOUT,
        )

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(listens, f"nginx on port {port} ({log})", process)
    except BaseException:
        stop(process)
        raise
    return process, port


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW - datetime.timedelta(days=90))
        .not_valid_after(_NOW + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _authority_id(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_key(
    path: Path,
    key: ec.EllipticCurvePrivateKey,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    )
