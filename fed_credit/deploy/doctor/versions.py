"""Whether what is installed is what the deployment was made with."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from fed_credit.deploy.doctor.finding import Finding, ok, problem, warning

_PACKAGE = "fed-credit"


def installed() -> Iterator[Finding]:
    """Check Python and Flower against what the installed fed-credit asks for.

    Yields
    ------
    Finding
        One for Python, one for Flower.
    """
    try:
        asked = SpecifierSet(str(metadata(_PACKAGE)["Requires-Python"]))
        needed = {each.name: each.specifier for each in map(Requirement, requires(_PACKAGE) or ())}
    except PackageNotFoundError:
        yield problem(
            "versions",
            "fed-credit is not installed, only on the path",
            "Install it: pip install fed-credit",
        )
        return
    python = platform.python_version()
    if python in asked:
        yield ok("python", f"{python} ({sys.executable})")
    else:
        yield problem("python", f"{python}, and {asked} is needed", "Install another Python.")
    try:
        flower = version("flwr")
    except PackageNotFoundError:
        yield problem("flwr", "is not installed", f"pip install 'flwr{needed['flwr']}'")
        return
    if flower in needed["flwr"]:
        yield ok("flwr", flower)
    else:
        yield problem(
            "flwr",
            f"{flower}, and {needed['flwr']} is needed",
            f"pip install 'flwr{needed['flwr']}'",
        )


def pinned(kit: Path) -> Iterator[Finding]:
    """Check that what is installed is what a kit was made with, as its Dockerfile says.

    Parameters
    ----------
    kit : Path
        Folder of the kit.

    Yields
    ------
    Finding
        One for fed-credit, one for Flower.
    """
    try:
        text = (kit / "Dockerfile").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    for package, pattern in _PINS.items():
        pin, found, check = pattern.search(text), version(package), f"{package}: as in the kit"
        if pin is None:
            yield warning(
                check,
                "no Dockerfile here says what the kit was made with",
                "Take it back from a copy, or ask the operator for the kit's files.",
            )
        elif found == pin[1]:
            yield ok(check, found)
        else:
            yield problem(
                check,
                f"{found}, and the kit was made with {pin[1]}",
                f"Install {package} {pin[1]}, or let the operator make the kits anew with"
                f" {found}; two versions may compute different numbers.",
            )


_PINS = {
    _PACKAGE: re.compile(r"fed_credit-([\w.!+]+)-py3"),
    "flwr": re.compile(r"flwr==([\w.!+]+)"),
}
