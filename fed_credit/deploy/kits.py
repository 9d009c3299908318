"""What lies in the operator's kit and in a bank's, apart from keys and certificates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2

from fed_credit import __version__
from fed_credit.config.bank import BANK_FILE
from fed_credit.config.consortium import ConsortiumBankSpec, ConsortiumSpec
from fed_credit.config.location import deploy_dir
from fed_credit.config.operator import CONNECTION, OPERATOR_FILE, EndpointSpec, load_operator
from fed_credit.config.yaml_file import read_mapping
from fed_credit.deploy.kit_files import PUBLIC, SCRIPT, folder, put
from fed_credit.errors import ConfigurationError

SCHEMA_FILE = "schema.yaml"
# Flower's home of the operator, and in it what names the SuperLink.
FLOWER_HOME = "flwr"
CONNECTION_FILE = "config.toml"

_TEMPLATES = Path(__file__).parent / "templates"
_MADE_BY = "Made by fed-credit provision, which writes it anew."
# Where SuperLink, proxy and node write; containers mount them, so they exist beforehand.
_OPERATOR_FOLDERS = ("state", "runs", FLOWER_HOME, "log", "tmp")
_BANK_FOLDERS = ("state", "bin")


@dataclass(frozen=True)
class KitFile:
    """A file of a kit.

    Parameters
    ----------
    name : str
        Path in the kit.
    body : bytes
        What it holds.
    mode : int
        Its permissions.
    once : bool
        Whether it is the owner's to edit, and never written over.
    """

    name: str
    body: bytes
    mode: int = PUBLIC
    once: bool = False


# Keys must not end up in a repository by accident.
_UNVERSIONED = KitFile(".gitignore", b"*\n", once=True)


def superlink(spec: ConsortiumSpec) -> EndpointSpec:
    """Return where the SuperLink listens: on the operator's machine alone."""
    return EndpointSpec("127.0.0.1", spec.operator.superlink_port)


def proxy(spec: ConsortiumSpec) -> EndpointSpec:
    """Return what banks connect to."""
    return EndpointSpec(spec.operator.hosts[0], spec.operator.port)


def operator_files(spec: ConsortiumSpec) -> list[KitFile]:
    """Return the operator's files.

    Parameters
    ----------
    spec : ConsortiumSpec
        The deployment.

    Returns
    -------
    list of KitFile
    """
    words = {**_words(spec), "name": spec.name}
    listens = EndpointSpec(spec.operator.listen, spec.operator.port)
    nginx = {
        "superlink_host": superlink(spec).host,
        "superlink_port": superlink(spec).port,
        # In brackets, if it is IPv6.
        "proxy_host": listens.address.rpartition(":")[0],
        "proxy_port": listens.port,
    }
    return [
        _file("operator", OPERATOR_FILE, words),
        _file("operator", "start-superlink.sh", words, SCRIPT),
        _file("operator", "start-proxy.sh", words, SCRIPT),
        _file("operator", "Dockerfile", words),
        _file("operator", "compose.yaml", words),
        _file("operator", "README.md", words),
        _file("", ".dockerignore", words, template="dockerignore"),
        _UNVERSIONED,
        _file("", "nginx.conf", nginx),
    ]


def bank_files(spec: ConsortiumSpec, bank: ConsortiumBankSpec) -> list[KitFile]:
    """Return a bank's files.

    Parameters
    ----------
    spec : ConsortiumSpec
        The deployment.
    bank : ConsortiumBankSpec
        One of its banks.

    Returns
    -------
    list of KitFile

    Raises
    ------
    ConfigurationError
        If the common schema cannot be read.
    """
    own_schema = spec.schema is not None and Path(spec.schema).is_absolute()
    words = {
        **_words(spec),
        "name": bank.name,
        "runtime_port": bank.runtime_port,
        "schema": spec.schema if spec.schema is not None and not own_schema else SCHEMA_FILE,
        "default": _packaged(),
    }
    files = [
        _file("bank", BANK_FILE, words, once=True),
        _file("bank", "start.sh", words, SCRIPT),
        _file("bank", "Dockerfile", words),
        _file("bank", "compose.yaml", words),
        _file("bank", "README.md", words),
        _file("", ".dockerignore", words, template="dockerignore"),
        _UNVERSIONED,
    ]
    if own_schema:
        files.append(KitFile(SCHEMA_FILE, _schema(Path(str(spec.schema)))))
    return files


def write_operator(home: Path, files: list[KitFile]) -> list[str]:
    """Write the operator's files; return the names of those that changed."""
    return _write(home, files, _OPERATOR_FOLDERS)


def write_bank(home: Path, files: list[KitFile]) -> list[str]:
    """Write a bank's files; return the names of those that changed."""
    return _write(home, files, _BANK_FOLDERS)


def write_connection(home: Path) -> bool:
    """Write Flower's connection to the SuperLink for the place where the operator's kit lies.

    Flower takes absolute paths only, so this is done again after the folder was moved.

    Parameters
    ----------
    home : Path
        The operator's folder, with ``operator.yaml`` and ``banks.json``.

    Returns
    -------
    bool
        Whether the file changed.

    Raises
    ------
    FedCreditError
        If ``operator.yaml`` cannot be used, or the file cannot be written.
    """
    spec = load_operator(home)
    flower_home = spec.home / FLOWER_HOME
    words = {
        "connection": CONNECTION,
        "superlink": spec.superlink,
        "ca": str(spec.ca),
    }
    return put(flower_home / CONNECTION_FILE, _rendered("operator/config.toml.j2", words))


def _write(home: Path, files: list[KitFile], folders: tuple[str, ...]) -> list[str]:
    for name in folders:
        folder(home / name)
    return [
        file.name
        for file in files
        if not (file.once and (home / file.name).exists())
        and put(home / file.name, file.body, file.mode)
    ]


def _words(spec: ConsortiumSpec) -> dict[str, Any]:
    return {
        "superlink": superlink(spec),
        "proxy": proxy(spec),
        "made_by": _MADE_BY,
        "wheel": f"fed_credit-{__version__}-py3-none-any.whl",
        "fed_credit_version": __version__,
        "flwr_version": version("flwr"),
    }


def _file(
    side: str,
    name: str,
    words: dict[str, Any],
    mode: int = PUBLIC,
    *,
    once: bool = False,
    template: str | None = None,
) -> KitFile:
    return KitFile(name, _rendered(f"{side}/{template or name}.j2", words), mode, once)


def _rendered(template: str, words: dict[str, Any]) -> bytes:
    return _environment().get_template(template.lstrip("/")).render(words).encode()


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    # JSON's spelling of texts, lists and truth values is also YAML's and TOML's.
    made.filters["quoted"] = lambda value: json.dumps(value, ensure_ascii=False)
    return made


@cache
def _packaged() -> dict[str, Any]:
    return read_mapping(deploy_dir() / BANK_FILE)


def _schema(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error.strerror}); check schema in consortium.yaml."
        ) from None
