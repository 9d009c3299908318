from __future__ import annotations

import datetime
import os
import socket
import ssl
import stat
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fed_credit.deploy import kit_files, pki
from fed_credit.deploy.keys import make_node_key
from fed_credit.deploy.pki import LOOPBACK, Role, Wanted, ensure, read_certificate
from fed_credit.errors import ConfigurationError

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
HOSTS = ("Credit.Example.org", "192.0.2.7")


def wanted(folder: Path, stem: str, role: Role, days: int = 100) -> Wanted:
    return Wanted(
        certificate=folder / f"{stem}.crt",
        key=folder / f"{stem}.key",
        role=role,
        organisation="江南 Consortium",
        common_name=stem,
        hosts=(*HOSTS, *LOOPBACK) if role is Role.SERVER else (),
        days=days,
    )


class Deployment:
    """Both authorities and what they signed, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = wanted(folder, "ca", Role.AUTHORITY, 1000)
        self.operator_ca = wanted(folder, "operator-ca", Role.AUTHORITY, 1000)
        self.server = wanted(folder, "server", Role.SERVER)
        self.operator = wanted(folder, "operator", Role.CLIENT)

    def ensure(
        self, now: datetime.datetime = NOW, renew_within: int | None = None
    ) -> list[str | None]:
        return [
            ensure(item, authority, now, renew_within=renew_within)
            for item, authority in (
                (self.ca, None),
                (self.operator_ca, None),
                (self.server, self.ca),
                (self.operator, self.operator_ca),
            )
        ]

    def bodies(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}

    def changed_since(self, before: dict[str, bytes]) -> set[str]:
        after = self.bodies()
        assert after.keys() >= before.keys()
        return {name for name, body in after.items() if before.get(name) != body}


@pytest.fixture
def made(tmp_path: Path) -> Deployment:
    deployment = Deployment(tmp_path)
    assert deployment.ensure() == ["made"] * 4
    return deployment


def strict(context: ssl.SSLContext) -> ssl.SSLContext:
    # What later versions of Python ask for by default.
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def handshake(
    made: Deployment, host: str, *, trust: str = "ca.crt", client: str | None = None
) -> str:
    """Shake hands as a bank or, with a client's certificate, as the operator; return who called."""
    serving = strict(ssl.create_default_context(ssl.Purpose.CLIENT_AUTH))
    serving.load_cert_chain(made.server.certificate, made.server.key)
    serving.load_verify_locations(made.folder / "operator-ca.crt")
    serving.verify_mode = ssl.CERT_REQUIRED if client else ssl.CERT_NONE
    calling = strict(ssl.create_default_context(cafile=str(made.folder / trust)))
    if client is not None:
        calling.load_cert_chain(made.folder / f"{client}.crt", made.folder / f"{client}.key")
    near, far = socket.socketpair()
    seen: list[str] = []

    def serve() -> None:
        try:
            with serving.wrap_socket(far, server_side=True) as channel:
                peer = channel.getpeercert() or {}
                names = dict(part[0] for part in peer.get("subject", ()))
                seen.append(names.get("commonName", ""))
                channel.sendall(b".")
        except OSError:
            far.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with near, calling.wrap_socket(near, server_hostname=host) as channel:
            # With TLS 1.3 a refused client learns of it when it reads.
            assert channel.recv(1) == b"."
    finally:
        near.close()
        thread.join()
    return seen[0]


@pytest.mark.parametrize(
    "host", ["credit.example.org", "192.0.2.7", "localhost", "127.0.0.1", "::1"]
)
def test_a_bank_reaches_the_server_by_every_name_it_has(made: Deployment, host: str) -> None:
    assert handshake(made, host) == ""


@pytest.mark.parametrize("host", ["example.org", "www.credit.example.org", "192.0.2.8"])
def test_no_other_name_passes(made: Deployment, host: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(made, host)


def test_the_operators_authority_does_not_vouch_for_a_server(made: Deployment) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(made, "localhost", trust="operator-ca.crt")


def test_the_operator_is_known_by_a_certificate(made: Deployment) -> None:
    assert handshake(made, "localhost", client="operator") == "operator"


def test_what_the_consortiums_authority_signed_does_not_pass_for_the_operator(
    made: Deployment,
) -> None:
    stranger = wanted(made.folder, "stranger", Role.CLIENT)
    ensure(stranger, made.ca, NOW)
    for client in ("stranger", "server"):
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            handshake(made, "localhost", client=client)


def test_the_operators_certificate_is_no_servers(made: Deployment) -> None:
    made.server = replace(made.server, certificate=made.operator.certificate, key=made.operator.key)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(made, "localhost", trust="operator-ca.crt")


def test_a_certificate_says_what_it_is(made: Deployment) -> None:
    server = read_certificate(made.server.certificate)
    assert server.organisation == "江南 Consortium"
    assert server.common_name == "server"
    assert server.roles == {Role.SERVER}
    assert server.hosts == ("credit.example.org", "localhost", "127.0.0.1", "192.0.2.7", "::1")
    assert server.days_left(NOW) == pytest.approx(100, abs=0.01)
    assert server.not_before < NOW
    assert read_certificate(made.operator.certificate).roles == {Role.CLIENT}
    assert read_certificate(made.ca.certificate).roles == {Role.AUTHORITY}
    assert pki.belongs(made.server.certificate, made.server.key)
    assert not pki.belongs(made.server.certificate, made.operator.key)
    assert pki.signed_by(made.server.certificate, made.ca.certificate)
    assert not pki.signed_by(made.server.certificate, made.operator_ca.certificate)


def test_a_second_call_changes_nothing(made: Deployment) -> None:
    before = made.bodies()
    assert made.ensure(NOW + 95 * DAY) == [None] * 4
    assert made.bodies() == before


def test_renewal_changes_what_is_near_its_end_and_no_key(tmp_path: Path) -> None:
    made = Deployment(tmp_path)
    made.ensure(NOW - 80 * DAY)
    before = made.bodies()
    assert made.ensure(NOW - 20 * DAY, 30) == [None] * 4
    assert made.ensure(NOW, 30) == [None, None, "renewed", "renewed"]
    assert made.changed_since(before) == {"server.crt", "operator.crt"}
    assert made.ensure(NOW, 30) == [None] * 4
    assert read_certificate(made.server.certificate).days_left(NOW) == pytest.approx(100, abs=0.01)
    # Banks that trust the authority go on without a word.
    assert handshake(made, "localhost", client="operator") == "operator"


def test_no_certificate_outlives_its_authority(made: Deployment) -> None:
    late = NOW + 980 * DAY
    made.ensure(late, 5)
    server, ca = read_certificate(made.server.certificate), read_certificate(made.ca.certificate)
    assert server.not_after == ca.not_after
    assert made.ensure(late + 17 * DAY, 1) == [None] * 4
    assert made.ensure(late + 17 * DAY, 30) == ["renewed"] * 4
    assert pki.signed_by(made.server.certificate, made.ca.certificate)


def test_an_ended_authority_signs_nothing(made: Deployment) -> None:
    made.server.certificate.unlink()
    with pytest.raises(ConfigurationError, match=r"so it can sign nothing; run .* --renew"):
        made.ensure(NOW + 1001 * DAY)


def test_new_hosts_mean_a_new_certificate_over_the_same_key(made: Deployment) -> None:
    before = made.bodies()
    made.server = replace(made.server, hosts=("other.example.org",))
    assert made.ensure() == [None, None, "made anew, since the hosts changed", None]
    assert made.changed_since(before) == {"server.crt"}
    assert read_certificate(made.server.certificate).hosts == ("other.example.org",)


def test_a_key_without_its_certificate_is_taken_up(tmp_path: Path) -> None:
    deployment = Deployment(tmp_path)
    deployment.ensure()
    key = deployment.ca.key.read_bytes()
    for path in tmp_path.glob("*.crt"):  # as after a call that was killed
        path.unlink()
    assert deployment.ensure() == ["made"] * 4
    assert deployment.ca.key.read_bytes() == key
    assert handshake(deployment, "localhost", client="operator") == "operator"


@pytest.mark.parametrize(
    ("disturb", "why"),
    [
        (lambda made: made.server.key.unlink(), " with a new key, since its key was missing"),
        (
            lambda made: made.server.key.write_bytes(made.operator.key.read_bytes()),
            ", since its key is another one",
        ),
        (
            lambda made: made.server.certificate.write_bytes(made.ca.certificate.read_bytes()),
            ", since its key is another one",
        ),
    ],
)
def test_what_does_not_fit_together_is_made_anew(
    made: Deployment, disturb: Callable[[Deployment], None], why: str
) -> None:
    disturb(made)
    assert made.ensure() == [None, None, f"made anew{why}", None]
    assert handshake(made, "localhost") == ""


def test_another_authority_signs_anew(made: Deployment) -> None:
    made.ca.certificate.unlink()
    made.ca.key.unlink()
    assert made.ensure() == ["made", None, "made anew, since its authority is another one", None]
    assert handshake(made, "localhost") == ""


def test_an_authoritys_key_can_be_kept_elsewhere_until_it_signs(made: Deployment) -> None:
    elsewhere = made.ca.key.read_bytes()
    made.ca.key.unlink()
    assert made.ensure() == [None] * 4
    with pytest.raises(ConfigurationError, match="put it back from where you keep it"):
        made.ensure(NOW + 80 * DAY, 30)
    with pytest.raises(ConfigurationError, match="put it back from where you keep it"):
        ensure(made.ca, None, NOW + 990 * DAY, renew_within=30)
    made.ca.key.write_bytes(elsewhere)
    assert made.ensure(NOW + 80 * DAY, 30) == [None, None, "renewed", "renewed"]


def test_keys_are_for_their_owner_alone_from_the_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    opened = os.fdopen

    def watched(number: int, *arguments: str) -> object:
        seen.append(stat.S_IMODE(os.fstat(number).st_mode))
        return opened(number, *arguments)

    monkeypatch.setattr(kit_files.os, "fdopen", watched)
    before = os.umask(0)
    try:
        Deployment(tmp_path).ensure()
        make_node_key(tmp_path / "bank")
    finally:
        os.umask(before)
    assert len(seen) == 10
    assert set(seen) == {0o600}
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert {mode for path, mode in modes.items() if path.suffix == ".key"} == {0o600}
    assert {mode for path, mode in modes.items() if path.suffix in (".crt", ".pub")} == {0o644}
    assert modes[tmp_path / "bank"] == 0o700


def test_a_key_that_others_could_read_is_closed_again(made: Deployment) -> None:
    made.server.key.chmod(0o644)
    made.ensure()
    assert stat.S_IMODE(made.server.key.stat().st_mode) == 0o600


@pytest.mark.parametrize("body", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAA==\n"])
def test_what_is_no_certificate_or_key_is_named(made: Deployment, body: bytes) -> None:
    made.server.certificate.write_bytes(body)
    with pytest.raises(ConfigurationError, match=r"server\.crt is not a certificate"):
        made.ensure()
    made.server.certificate.unlink()
    made.server.key.write_bytes(body)
    with pytest.raises(ConfigurationError, match=r"server\.key is not a private EC key"):
        made.ensure()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_certificate(made.folder / "nothing.crt")
