"""What a model's bits depend on besides its data: code, configuration, versions of libraries."""

from __future__ import annotations

import hashlib
import json
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fed_credit.config.convert import plain
from fed_credit.config.spec import SimulationSpec

_PACKAGES = ("fed-credit", "flwr", "torch", "numpy", "pandas", "scikit-learn", "hydra-core")
_OURS = ("fed_credit", "clients", "strategies")
# Where a run lies, what it shows and whom it tells changes nothing about the model.
_ASIDE = ("run_dir", "resume", "progress", "tracking")


def versions() -> dict[str, str]:
    """Return the versions that a result's bits depend on."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@cache
def code_sha256() -> str:
    """Return the hash of the installed program's source files, by name and contents.

    Computed once a process.
    """
    digest = hashlib.sha256()
    for package in _OURS:
        spec = find_spec(package)
        for root in [] if spec is None else sorted(spec.submodule_search_locations or ()):
            for path in sorted(Path(root).rglob("*.py")):
                name = f"{package}/{path.relative_to(root).as_posix()}"
                digest.update(f"{name}|{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def configuration_sha256(spec: SimulationSpec) -> str:
    """Return the hash of a run's configuration; equal runs in two folders have the same."""
    body = {key: value for key, value in plain(spec).items() if key not in _ASIDE}
    return text_sha256(json.dumps(body, sort_keys=True, ensure_ascii=False))


def text_sha256(text: str) -> str:
    """Return the hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_of_code() -> dict[str, Any]:
    """Return version and hash of the program."""
    from fed_credit import __version__

    return {"version": __version__, "sha256": code_sha256()}
