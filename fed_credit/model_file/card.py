"""The model card: generated from what the model's file holds, never written by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fed_credit.model_file.contents import ModelFile

CARDS = {"en": "card.en.md", "zh": "card.zh.md"}
"""Name of the part by language."""


def cards(model: ModelFile) -> dict[str, str]:
    """Return the model card by language, Markdown."""
    return {"en": f"# Model card\n\nFamily {model.artefact.spec.family}\n", "zh": "# 模型卡\n"}
