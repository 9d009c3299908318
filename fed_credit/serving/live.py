"""A model in service: read, made ready, and warm before anybody is answered by it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fed_credit.data.schema import Schema
from fed_credit.model_file.archive import Opened
from fed_credit.registry.registry import Registry, Version
from fed_credit.scoring.record import RecordError, RecordScorer
from fed_credit.scoring.scorer import Explain, Scorer
from fed_credit.serving.form import Form, example_loan

_WARM_ROUNDS = 50


@dataclass(frozen=True, eq=False)
class Live:
    """A model in service; nothing of it changes.

    Parameters
    ----------
    version : int
        Its number in the registry.
    sha256 : str
        Of the model file's manifest.
    opened : Opened
        The model's file.
    scorer : Scorer
        Scores tables.
    record_scorer : RecordScorer
        Scores single applications.
    registered : Version
        What the registry says of it.
    form : Form
        What an application consists of.
    example : dict of str to object
        An application that it scores.
    """

    version: int
    sha256: str
    opened: Opened
    scorer: Scorer
    record_scorer: RecordScorer
    registered: Version
    form: Form
    example: dict[str, Any]

    @property
    def schema(self) -> Schema:
        """What the fields of an application are."""
        return self.opened.model.schema


def load_live(registry: Registry, version: Version) -> Live:
    """Read a version from the registry and score with it until it is warm.

    Parameters
    ----------
    registry : Registry
        Holds the model.
    version : Version
        Which one.

    Returns
    -------
    Live

    Raises
    ------
    FedCreditError
        If the model cannot be read, or does not score an application of its own schema.
    """
    opened = registry.model(version.number)
    model = opened.model
    scorer, record_scorer = Scorer(model), RecordScorer(model)
    example = example_loan(model.schema, record_scorer.inputs)
    # Compiles, fills caches, and shows that it works, before it has to.
    for _ in range(_WARM_ROUNDS):
        record_scorer.score(example, Explain.ALL)
    with suppress(RecordError):
        record_scorer.score({}, Explain.NONE)
    form = Form(model.schema, record_scorer.inputs)
    return Live(
        version.number, opened.sha256, opened, scorer, record_scorer, version, form, example
    )
