from __future__ import annotations

import datetime
import fcntl
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.cli.supernode.register import try_load_public_key
from flwr.supercore.primitives.asymmetric import bytes_to_public_key

from fed_credit.cli import main
from fed_credit.config.bank import load_bank
from fed_credit.config.consortium import load_consortium
from fed_credit.config.operator import BankStatus, load_banks, load_operator
from fed_credit.deploy.keys import fingerprint, public_half, read_public_key
from fed_credit.deploy.pki import Role, belongs, read_certificate, signed_by
from fed_credit.deploy.provision import Report, provision

NOW = datetime.datetime.now(datetime.UTC)
Snapshot = dict[str, tuple[int, int, bytes]]


class Consortium:
    """A file of banks, and the kits made from it."""

    def __init__(self, folder: Path, banks: list[Any]) -> None:
        self.file = folder / "consortium.yaml"
        self.out = folder / "kits"
        self.hosts = ["credit.example.org"]
        self.write(banks)

    def write(self, banks: list[Any]) -> None:
        self.banks = [{"name": bank} if isinstance(bank, str) else bank for bank in banks]
        body = {"name": "Delta", "operator": {"hosts": self.hosts}, "banks": self.banks}
        self.file.write_text(yaml.safe_dump(body, allow_unicode=True), encoding="utf-8")

    def provision(self, **options: Any) -> Report:
        return provision(load_consortium(self.file), self.out, **options)

    def refused(self, capsys: pytest.CaptureFixture[str], *options: str) -> str:
        before = snapshot(self.out)
        capsys.readouterr()
        assert main(["provision", str(self.file), *options]) == 2
        assert snapshot(self.out) == before
        message = capsys.readouterr().err
        assert message.startswith("Error: ")
        assert message.count("\n") == 1
        return message

    def keys(self) -> dict[str, list[tuple[str, str]]]:
        """Return for each bank its keys with their status, in the order of the file."""
        found: dict[str, list[tuple[str, str]]] = {}
        for entry in load_banks(self.out / "operator" / "banks.json"):
            found.setdefault(entry.name, []).append((entry.status.value, entry.public_key))
        return found

    def home(self, slug: str) -> Path:
        return self.out / "banks" / slug


def snapshot(folder: Path) -> Snapshot:
    return {
        str(path.relative_to(folder)): (
            stat.S_IMODE(path.stat().st_mode),
            path.stat().st_mtime_ns,
            path.read_bytes(),
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def changes(before: Snapshot, after: Snapshot) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    made = Consortium(tmp_path, ["Riverside Bank", "江南银行"])
    made.provision()
    return made


def test_a_second_call_changes_nothing(consortium: Consortium) -> None:
    before = snapshot(consortium.out)
    report = consortium.provision()
    assert snapshot(consortium.out) == before
    assert report.operator.changed == ()
    assert [kit.changed for kit in report.banks] == [(), ()]
    assert report.notes == []


def test_flower_reads_the_keys_of_a_node(consortium: Consortium) -> None:
    home = consortium.home("riverside-bank")
    private = serialization.load_ssh_private_key((home / "node.key").read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert isinstance(private.curve, ec.SECP384R1)
    registered = bytes_to_public_key(try_load_public_key(home / "node.pub"))
    assert registered == private.public_key()
    entry = load_operator(consortium.out / "operator").banks[0]
    assert (entry.name, entry.slug) == ("Riverside Bank", "riverside-bank")
    assert entry.public_key == read_public_key(home / "node.pub") == public_half(home / "node.key")


def test_the_fingerprint_is_the_one_that_openssh_shows(consortium: Consortium) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed (apt-get install openssh-client)")
    path = consortium.home("riverside-bank") / "node.pub"
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", path], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split()[:2] == ["384", fingerprint(read_public_key(path))]


def test_the_kits_of_a_command_line_lie_beside_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    consortium = Consortium(tmp_path, ["Riverside Bank"])
    monkeypatch.chdir("/")
    assert main(["provision", str(consortium.file)]) == 0
    shown = capsys.readouterr().out
    assert f"Riverside Bank: {consortium.home('riverside-bank')}" in shown
    assert "The private key of Riverside Bank was made here" in shown
    assert fingerprint(consortium.keys()["Riverside Bank"][0][1]) in shown
    assert "PRIVATE" not in shown
    assert main(["provision", str(consortium.file), "--out", str(tmp_path / "other")]) == 0
    assert (tmp_path / "other" / "operator" / "banks.json").is_file()


def test_kits_do_not_get_into_a_repository(consortium: Consortium) -> None:
    subprocess.run(["git", "init", "-q"], cwd=consortium.out, check=True)
    seen = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"],
        cwd=consortium.out,
        capture_output=True,
        text=True,
        check=True,
    )
    assert seen.stdout == ""


def test_adding_a_bank_touches_no_other_kit(consortium: Consortium) -> None:
    before = snapshot(consortium.out)
    consortium.write(["Anshan Bank", *consortium.banks])
    consortium.provision()
    changed = changes(before, snapshot(consortium.out))
    assert {name for name in changed if not name.startswith("banks/anshan-bank/")} == {
        "operator/banks.json"
    }
    assert [bank.name for bank in load_operator(consortium.out / "operator").active] == [
        "Anshan Bank",
        "Riverside Bank",
        "江南银行",
    ]


def test_removing_a_bank_marks_it_and_touches_nothing_else(
    consortium: Consortium, capsys: pytest.CaptureFixture[str]
) -> None:
    before, keys = snapshot(consortium.out), consortium.keys()
    assert "still lists it" in consortium.refused(capsys, "--remove", "Riverside Bank")
    consortium.write(["江南银行"])
    message = consortium.refused(capsys)
    assert "add --remove 'Riverside Bank'" in message
    assert "Did you mean 'Riverside Bank'?" in consortium.refused(
        capsys, "--remove", "Riverside Bnk"
    )
    consortium.provision(remove=["Riverside Bank"])
    assert changes(before, snapshot(consortium.out)) == {"operator/banks.json"}
    assert consortium.keys() == {
        "Riverside Bank": [("removed", keys["Riverside Bank"][0][1])],
        "江南银行": keys["江南银行"],
    }
    assert consortium.provision().operator.changed == ()


def test_a_bank_that_comes_back_needs_a_new_key(
    consortium: Consortium, capsys: pytest.CaptureFixture[str]
) -> None:
    old = consortium.keys()["Riverside Bank"][0][1]
    former = consortium.out.parent / "former.pub"
    former.write_text(old)
    consortium.write(["江南银行"])
    consortium.provision(remove=["Riverside Bank"])
    consortium.write([{"name": "Riverside Bank", "public_key": "former.pub"}, "江南银行"])
    assert "a public key that was removed before" in consortium.refused(capsys)
    consortium.write(["Riverside Bank", "江南银行"])
    consortium.provision()
    (removed, now) = consortium.keys()["Riverside Bank"]
    assert removed == ("removed", old)
    assert now == ("active", public_half(consortium.home("riverside-bank") / "node.key"))
    assert now[1] != old


def test_rotating_a_key_made_here_touches_that_bank_alone(consortium: Consortium) -> None:
    before, keys = snapshot(consortium.out), consortium.keys()
    report = consortium.provision(rotate=["Riverside Bank"])
    assert changes(before, snapshot(consortium.out)) == {
        "operator/banks.json",
        "banks/riverside-bank/node.key",
        "banks/riverside-bank/node.pub",
    }
    retired, now = consortium.keys()["Riverside Bank"]
    assert retired == ("retired", keys["Riverside Bank"][0][1])
    assert now == ("active", public_half(consortium.home("riverside-bank") / "node.key"))
    assert any("hand over" in note for note in report.notes)
    assert consortium.provision().banks[0].changed == ()


def test_a_key_can_be_made_at_the_bank(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    at_the_bank, office = tmp_path / "bank", tmp_path / "office"
    office.mkdir()
    assert main(["bank", "key", "--home", str(at_the_bank)]) == 0
    shown = capsys.readouterr().out
    assert stat.S_IMODE((at_the_bank / "node.key").stat().st_mode) == 0o600
    assert {path.name for path in at_the_bank.iterdir()} == {"node.key", "node.pub"}
    assert "PRIVATE" not in shown

    # A person adds a comment, as ssh-keygen does.
    line = (at_the_bank / "node.pub").read_text().strip()
    (office / "riverside.pub").write_text(f"{line} clerk@riverside\n")
    consortium = Consortium(office, [{"name": "Riverside Bank", "public_key": "riverside.pub"}])
    report = consortium.provision()
    assert fingerprint(line) in shown
    assert report.notes == []
    assert not list(consortium.out.rglob("node.key"))
    assert consortium.keys() == {"Riverside Bank": [("active", line)]}

    # The kit goes on top of what the bank has, and the consortium's schema with it.
    (at_the_bank / "schema.yaml").write_text("name: common")
    shutil.copytree(consortium.home("riverside-bank"), at_the_bank, dirs_exist_ok=True)
    assert public_half(at_the_bank / "node.key") == read_public_key(at_the_bank / "node.pub")
    assert load_bank(at_the_bank).name == "Riverside Bank"


def test_a_bank_hands_over_a_new_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    consortium = Consortium(tmp_path, ["A", {"name": "B", "public_key": "bank/node.pub"}])
    home = tmp_path / "bank"
    main(["bank", "key", "--home", str(home)])
    consortium.provision()
    old = read_public_key(home / "node.pub")
    assert main(["bank", "key", "--home", str(home)]) == 0
    assert "is there" in capsys.readouterr().out
    assert read_public_key(home / "node.pub") == old
    assert "already" in consortium.refused(capsys, "--rotate", "B")

    main(["bank", "key", "--home", str(home), "--replace"])
    assert public_half(home / "node.key.old") == old
    assert stat.S_IMODE((home / "node.key.old").stat().st_mode) == 0o600
    assert "add --rotate 'B'" in consortium.refused(capsys)
    before = snapshot(consortium.out)
    consortium.provision(rotate=["B"])
    assert changes(before, snapshot(consortium.out)) == {
        "operator/banks.json",
        "banks/b/node.pub",
    }
    assert consortium.keys()["B"] == [
        ("retired", old),
        ("active", read_public_key(home / "node.pub")),
    ]


def test_a_bank_takes_its_key_into_its_own_hands(consortium: Consortium, tmp_path: Path) -> None:
    old = consortium.keys()["Riverside Bank"][0][1]
    main(["bank", "key", "--home", str(tmp_path / "bank")])
    own = read_public_key(tmp_path / "bank" / "node.pub")
    consortium.write([{"name": "Riverside Bank", "public_key": "bank/node.pub"}, "江南银行"])
    consortium.provision(rotate=["Riverside Bank"])
    assert consortium.keys()["Riverside Bank"] == [("retired", old), ("active", own)]
    # What is left of the former key would not fit beside the new public one.
    assert not (consortium.home("riverside-bank") / "node.key").exists()
    assert read_public_key(consortium.home("riverside-bank") / "node.pub") == own


def test_a_kit_that_was_handed_over_comes_back_without_a_key(consortium: Consortium) -> None:
    keys = consortium.keys()
    shutil.rmtree(consortium.home("riverside-bank"))
    consortium.provision()
    assert consortium.keys() == keys
    home = consortium.home("riverside-bank")
    assert not (home / "node.key").exists()
    assert read_public_key(home / "node.pub") == keys["Riverside Bank"][0][1]


def test_what_a_bank_wrote_is_never_written_over(consortium: Consortium) -> None:
    file = consortium.home("riverside-bank") / "bank.yaml"
    mine = file.read_text().replace("loans.csv", "mine.csv")
    file.write_text(mine)
    consortium.hosts = ["new.example.org"]
    consortium.write(consortium.banks)
    report = consortium.provision(rotate=["Riverside Bank"])
    assert file.read_text() == mine
    (server,) = (note for note in report.notes if note.startswith("server.crt"))
    assert "since the hosts changed. Start the SuperLink and the proxy again." in server
    told = [note for note in report.notes if "credit.example.org:9443" in note]
    assert len(told) == 2
    assert all("new.example.org:9443" in note for note in told)


def test_certificates_are_renewed_when_asked(consortium: Consortium) -> None:
    before = snapshot(consortium.out)
    soon = NOW + datetime.timedelta(days=380)
    report = consortium.provision(now=soon)
    assert report.notes == [
        "server.crt ends in 17 days; run this again with --renew.",
        "operator.crt ends in 17 days; run this again with --renew.",
    ]
    assert snapshot(consortium.out) == before
    report = consortium.provision(now=soon, renew=True)
    assert changes(before, snapshot(consortium.out)) == {
        "operator/server.crt",
        "operator/operator.crt",
    }
    assert len(report.notes) == 2

    late = NOW + datetime.timedelta(days=3640)
    assert (
        "server.crt has ended; run this again with --renew." in consortium.provision(now=late).notes
    )
    report = consortium.provision(now=late, renew=True)
    assert "ca.crt was renewed. Hand every bank its new ca.crt." in report.notes
    operator = consortium.out / "operator"
    for home in (consortium.out / "banks").iterdir():
        assert (home / "ca.crt").read_bytes() == (operator / "ca.crt").read_bytes()
    assert signed_by(operator / "server.crt", operator / "ca.crt")


def test_an_operator_that_is_elsewhere_is_not_founded_anew(
    consortium: Consortium, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(consortium.out / "operator", consortium.out.parent / "elsewhere")
    assert "put the operator's kit back" in consortium.refused(capsys)


def test_two_calls_at_once_do_not_mix(
    consortium: Consortium, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = os.open(consortium.out, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    assert "Another process is writing" in consortium.refused(capsys)
    os.close(folder)
    assert main(["provision", str(consortium.file)]) == 0


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (None, "cannot be read (No such file or directory)"),
        ("nonsense", "is not a public key"),
        (
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKqXzZvVZ0rkY2cVgkXk2nq7yqf6r7Y3m0bQ1x3cO5cG",
            "is not",
        ),
        ("PRIVATE", "is a private key, which must not leave the bank"),
        ("OTHER", "has the public key of '江南银行'"),
    ],
)
def test_a_public_key_that_cannot_be_taken_is_refused_before_anything_is_written(
    consortium: Consortium, capsys: pytest.CaptureFixture[str], body: str | None, why: str
) -> None:
    bodies = {
        "PRIVATE": (consortium.home("riverside-bank") / "node.key").read_text(),
        "OTHER": consortium.keys()["江南银行"][0][1],
    }
    if body is not None:
        (consortium.out.parent / "third.pub").write_text(bodies.get(body, body))
    consortium.write([*consortium.banks, {"name": "Third", "public_key": "third.pub"}])
    assert why in consortium.refused(capsys)


def test_a_key_that_nobody_announced_is_not_taken(
    consortium: Consortium, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["bank", "key", "--home", str(consortium.home("riverside-bank")), "--replace"])
    assert "add --rotate 'Riverside Bank'" in consortium.refused(capsys)
    consortium.provision(rotate=["Riverside Bank"])
    now = public_half(consortium.home("riverside-bank") / "node.key")
    assert consortium.keys()["Riverside Bank"][1] == ("active", now)
    assert "no such bank" in consortium.refused(capsys, "--rotate", "Third")


@pytest.mark.parametrize("body", ["{", "[1]", '[{"name": "A"}]', '{"A": 1}'])
def test_a_list_of_banks_that_was_damaged_is_named(
    consortium: Consortium, capsys: pytest.CaptureFixture[str], body: str
) -> None:
    (consortium.out / "operator" / "banks.json").write_text(body)
    assert "banks.json" in consortium.refused(capsys)


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    consortium = Consortium(tmp_path, ["A"])
    (tmp_path / "kits").write_text("a file")
    assert main(["provision", str(consortium.file)]) == 2
    assert "cannot be written" in capsys.readouterr().err


# Imports once; each child dies when it is about to put its K-th file in its place.
_DYING = """
import os, signal, sys
from pathlib import Path
from fed_credit.config.consortium import load_consortium
from fed_credit.deploy.provision import provision

spec, rotate = load_consortium(Path(sys.argv[1])), sys.argv[3:]
for out in sorted(Path(sys.argv[2]).iterdir()):
    left, written = int(out.name), os.fsync
    def dying(number):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        written(number)
    if (child := os.fork()) == 0:
        os.fsync = dying
        provision(spec, out, rotate=rotate)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def _kill(file: Path, folder: Path, *rotate: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DYING, file, folder, *rotate],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {*done.stdout.split()} == {str(-signal.SIGKILL)}


def test_a_call_that_is_killed_leaves_whole_files_and_the_next_one_goes_on(
    tmp_path: Path,
) -> None:
    consortium = Consortium(tmp_path, ["A", "B"])
    spec = load_consortium(consortium.file)
    provision(spec, tmp_path / "whole")
    complete = {name: mode for name, (mode, _, _) in snapshot(tmp_path / "whole").items()}
    for k in range(0, len(complete) - 1, 3):
        (tmp_path / "killed" / f"{k:02d}").mkdir(parents=True)
    _kill(consortium.file, tmp_path / "killed")
    for out in sorted((tmp_path / "killed").iterdir()):
        _check_whole(out)
        kept = {path: path.read_bytes() for path in out.rglob("*.key")}
        provision(spec, out)
        # What was made before the end is used, not made a second time.
        assert all(path.read_bytes() == body for path, body in kept.items())
        _check_complete(out, complete)


def test_a_rotation_that_is_killed_can_be_ended(consortium: Consortium, tmp_path: Path) -> None:
    complete = {name: mode for name, (mode, _, _) in snapshot(consortium.out).items()}
    for k in range(3):
        shutil.copytree(consortium.out, tmp_path / "killed" / str(k))
    _kill(consortium.file, tmp_path / "killed", "Riverside Bank")
    spec = load_consortium(consortium.file)
    for out in sorted((tmp_path / "killed").iterdir()):
        _check_whole(out)
        assert load_banks(out / "operator" / "banks.json") == load_banks(
            consortium.out / "operator" / "banks.json"
        )
        provision(spec, out, rotate=["Riverside Bank"])
        _check_complete(out, complete)
        statuses = [entry.status.value for entry in load_banks(out / "operator" / "banks.json")]
        assert sorted(statuses) == ["active", "active", "retired"]


def _check_complete(out: Path, complete: dict[str, int]) -> None:
    _check_whole(out)
    assert {name: mode for name, (mode, _, _) in snapshot(out).items()} == complete
    operator = load_operator(out / "operator")
    for entry in operator.active:
        home = out / "banks" / entry.slug
        assert public_half(home / "node.key") == entry.public_key
        assert read_public_key(home / "node.pub") == entry.public_key
    assert belongs(operator.home / "server.crt", operator.home / "server.key")
    assert signed_by(operator.home / "server.crt", operator.ca)
    assert read_certificate(operator.client_cert).roles == {Role.CLIENT}


def _check_whole(out: Path) -> None:
    for path in out.rglob("*"):
        if not path.is_file():
            continue
        if path.suffix == ".key" or (path.suffix == ".part" and ".key" in path.name):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        if path.suffix == ".part":
            continue
        body = path.read_text(encoding="utf-8")
        if path.name == "node.key":
            public_half(path)
        elif path.suffix == ".key":
            assert isinstance(
                serialization.load_pem_private_key(body.encode(), None), ec.EllipticCurvePrivateKey
            )
        elif path.suffix == ".crt":
            read_certificate(path)
        elif path.suffix == ".pub":
            read_public_key(path)
        elif path.suffix == ".json":
            entries = json.loads(body)
            assert {entry["status"] for entry in entries} <= {each.value for each in BankStatus}
        elif path.suffix == ".yaml":
            assert yaml.safe_load(body)
        elif path.name != ".gitignore":
            assert body.endswith("\n")
            assert len(body) > 20
