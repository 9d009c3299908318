"""How templates of pages are filled in, wherever they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def templates_of(package: str) -> Environment:
    """Return what fills in the templates of a package.

    Parameters
    ----------
    package : str
        Has a folder ``templates``.

    Returns
    -------
    Environment
        Escapes everything that is not markup, and fails at a value that is not given.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
