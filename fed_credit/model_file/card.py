"""The model card: generated from what the model's file holds, never written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from fed_credit.errors import ArtefactError
from fed_credit.model_file.card_data import data_sections
from fed_credit.model_file.card_decision import decision_sections
from fed_credit.model_file.card_origin import origin_sections
from fed_credit.model_file.card_parts import CardSection, CardTable, Words, both, said
from fed_credit.model_file.card_use import use_sections
from fed_credit.model_file.card_worth import worth_sections
from fed_credit.model_file.contents import ModelFile

__all__ = ["CARDS", "TITLE", "CardSection", "CardTable", "card_page", "cards", "sections"]

CARDS = {"en": "card.en.md", "zh": "card.zh.md"}
"""Name of the part by language."""
TITLE: Words = both("Model card", "模型卡片")

_LOCALES = {"en": "en", "zh": "zh-CN"}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1f24; background: #fff; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
div.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { border-bottom: 1px solid #d0d7de; padding: .3rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: normal; }
th { background: #f6f8fa; }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117; }
  th { background: #161b22; } th, td { border-color: #30363d; } }
"""


def sections(model: ModelFile) -> tuple[CardSection, ...]:
    """Return the sections of a model's card.

    Parameters
    ----------
    model : ModelFile
        All figures come from it.

    Returns
    -------
    tuple of CardSection

    Raises
    ------
    ArtefactError
        If evaluation or provenance are not such as this version writes.
    """
    try:
        purpose, *origin = origin_sections(model)
        return (
            purpose,
            *data_sections(model),
            *worth_sections(model),
            *decision_sections(model),
            *use_sections(model),
            *origin,
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ArtefactError(
            "The model's evaluation or provenance is not such as this version of fed-credit writes"
            f" ({type(error).__name__}: {error}), so no card can be made of it; the card inside the"
            " file stays readable with fed-credit model card."
        ) from None


def cards(model: ModelFile) -> dict[str, str]:
    """Return the model card by language, Markdown."""
    found = sections(model)
    return {language: "\n\n".join(_markdown(found, language)) + "\n" for language in CARDS}


def card_page(found: tuple[CardSection, ...], language: str) -> str:
    """Return a model card as one page of HTML that needs no other file and no host.

    Parameters
    ----------
    found : tuple of CardSection
        Its sections.
    language : str
        ``en`` or ``zh``.
    """
    title = escape(TITLE[language])
    return (
        f'<!doctype html>\n<html lang="{_LOCALES[language]}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        + "\n".join(part for one in found for part in _html(one, language))
        + "\n</body>\n</html>\n"
    )


def _markdown(found: tuple[CardSection, ...], language: str) -> Iterator[str]:
    yield f"# {TITLE[language]}"
    for one in found:
        yield f"## {one.title[language]}"
        yield from (text[language] for text in one.paragraphs)
        if one.table is not None:
            rows = [one.table.header, *one.table.rows]
            lines = [f"| {' | '.join(_cell(said(c, language)) for c in row)} |" for row in rows]
            lines.insert(1, "|" + "---|" * len(one.table.header))
            yield "\n".join(lines)
        if one.points:
            yield "\n".join(f"- {text[language]}" for text in one.points)


def _cell(text: str) -> str:
    """Keep a name of the user's own inside its cell."""
    return " ".join(text.split()).replace("|", "\\|")


def _html(one: CardSection, language: str) -> Iterator[str]:
    yield f'<h2 id="{one.key}">{escape(one.title[language])}</h2>'
    yield from (f"<p>{escape(text[language])}</p>" for text in one.paragraphs)
    if one.table is not None:
        head = "".join(f"<th>{escape(text[language])}</th>" for text in one.table.header)
        yield f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>'
        for row in one.table.rows:
            cells = "".join(f"<td>{escape(said(cell, language))}</td>" for cell in row)
            yield f"<tr>{cells}</tr>"
        yield "</tbody></table></div>"
    if one.points:
        yield "<ul>" + "".join(f"<li>{escape(t[language])}</li>" for t in one.points) + "</ul>"
