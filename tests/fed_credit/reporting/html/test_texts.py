"""Every text is there in both languages, with the same values to fill in."""

from __future__ import annotations

import ast
import re
import string
from pathlib import Path

import fed_credit
from fed_credit.data.schema import Kind, KnownAt
from fed_credit.reporting.html import texts
from fed_credit.reporting.html.texts import Text, catalogue, has_text, joined, translated

PACKAGE = Path(fed_credit.__file__).parent
PAGES = PACKAGE / "reporting" / "html"


def _placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_each_text_has_both_languages_and_the_same_values() -> None:
    assert len(catalogue()) > 150
    for key, entry in catalogue().items():
        assert set(entry) == {"en", "zh"}, key
        assert all(isinstance(part, str) for part in entry.values()), key
        assert _placeholders(entry["en"]) == _placeholders(entry["zh"]), key


def test_chinese_texts_are_chinese() -> None:
    plain = {
        key
        for key, entry in catalogue().items()
        if not re.search(r"[\u4e00-\u9fff]", entry["zh"]) and entry["zh"] != entry["en"]
    }
    assert plain == {"answer.named"}  # a name and figures in the other language's brackets


def test_every_key_that_is_asked_for_is_there() -> None:
    asked = set()
    for path in PAGES.rglob("*"):
        if path.suffix in (".py", ".j2"):
            source = path.read_text(encoding="utf-8")
            asked |= set(re.findall(r"\bt(?:ext)?\(\s*[\"']([\w.]+\.\w+)[\"']", source))
    assert len(asked) > 60
    assert sorted(key for key in asked if not has_text(key)) == []


def test_every_text_is_used() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in PAGES.rglob("*")
        if path.suffix in (".py", ".j2")
    )
    # Keys that are put together: f"chart.{key}_read", word("when", value), t(group ~ "." ~ key).
    made = re.findall(r"text\(\s*f\"([\w.{}\['\].() ,]+)\"", source)
    made += [f"{group}.{{}}" for group in re.findall(r"word\(\"(\w+)\"", source)]
    made += ["section.{}", "sweep_section.{}", "setting.{}", "unit.{}"]
    patterns = [
        re.compile(".+".join(re.escape(piece) for piece in re.split(r"\{[^}]*\}", template)))
        for template in made
    ]
    unused = [
        key
        for key in catalogue()
        if f'"{key}"' not in source
        and f"'{key}'" not in source
        and not any(pattern.fullmatch(key) for pattern in patterns)
    ]
    assert unused == []


def test_values_of_the_schema_have_words() -> None:
    assert [str(k) for k in KnownAt if not has_text(f"when.{k}")] == []
    features = (Kind.NUMERIC, Kind.CATEGORICAL, Kind.BOOLEAN)
    assert [str(k) for k in features if not has_text(f"kind.{k}")] == []


def _written() -> str:
    """Return what the string constants of the library say, values cut out."""
    pieces = []
    for path in PACKAGE.rglob("*.py"):
        if PAGES in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                pieces.append(
                    "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "\0"
                        for part in node.values
                    )
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                pieces.append(node.value)
    return "\n".join(pieces)


def test_each_translated_sentence_is_one_that_the_library_writes() -> None:
    """A sentence that was changed in the code would no longer be found, and stay English."""
    written = _written()
    for entry in texts._read("sentences"):
        pieces = [p for p in re.split(r"\{\w+\}", entry["en"]) if len(p.strip()) > 3]
        assert [piece for piece in pieces if piece.strip() not in written] == [], entry["en"]
        assert _placeholders(entry["zh"]) <= _placeholders(entry["en"])


def test_warnings_and_reasons_are_translated_with_their_fields() -> None:
    labels = {"Bank": {"en": "Bank", "zh": "银行"}}
    found = translated(
        "15 of 22427 rows (0.1%) were rejected; the commonest reason: Bank is missing (15 rows).",
        labels,
    )
    assert found.zh == "22427 行中有 15 行（0.1%）被拒收；最常见的原因：银行缺失（15 行）。"
    leak = translated(
        "Leakage: 'Term' is known only at outcome, but the model decides at booking; no figure of"
        " this run will hold for new loans."
    )
    assert leak.zh.startswith("信息泄漏：字段“Term”在结果出现时才可知，而模型在放款时")
    assert translated("bad within 24 months on book").zh == "放款后 24 个月内违约"
    assert translated("Something new.") == Text("Something new.", "Something new.")


def test_enumerations_say_how_many_are_left_out() -> None:
    assert joined(["a", "b", "c"], 2) == Text("a, b and 1 more", "a、b等")
    assert joined(["a", "b"], 2) == Text("a, b", "a、b")


def test_markup_in_a_text_is_escaped() -> None:
    markup = Text("<b>&", "<i>'").__html__()
    assert "<b>" not in markup and "<i>" not in markup and "&lt;b&gt;&amp;" in markup
