"""From a template and texts to one HTML page that needs nothing but a browser."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from fed_credit.errors import ConfigurationError
from fed_credit.reporting.html.environment import templates_of
from fed_credit.reporting.html.texts import LANGUAGES, text

if TYPE_CHECKING:
    from jinja2 import Environment


def render_page(template: str, language: str, values: dict[str, Any]) -> str:
    """Fill in a template.

    Parameters
    ----------
    template : str
        File in ``templates``.
    language : str
        Shown first.
    values : dict
        What the template shows; everything that is not markup is escaped.

    Returns
    -------
    str

    Raises
    ------
    ConfigurationError
        If there is no such language.
    """
    if language not in LANGUAGES:
        raise ConfigurationError(
            f"A report has no language '{language}'; choose one of {', '.join(LANGUAGES)}."
        )
    return _environment().get_template(template).render(language=language, **values)


@cache
def _environment() -> Environment:
    environment = templates_of("fed_credit.reporting.html")
    environment.globals["t"] = text
    return environment
