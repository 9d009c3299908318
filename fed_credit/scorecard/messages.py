"""Questions and designs as text that travels, each under its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from fed_credit.errors import FedCreditError, ReleaseError, suggestion
from fed_credit.features.cuts import DetailsQuestion, HistogramQuestion, PartsQuestion
from fed_credit.features.fine_bins import FineBins
from fed_credit.features.questions import FrameQuestion, MatrixQuestion
from fed_credit.models.likelihood import LikelihoodQuestion
from fed_credit.models.moments import CrossProductsQuestion
from fed_credit.scorecard.binning import Binning
from fed_credit.scorecard.calibration import ScoreCountsQuestion
from fed_credit.scorecard.counts import ClassCountsQuestion
from fed_credit.scorecard.drift import DriftQuestion
from fed_credit.scorecard.fit import WoeDesign
from fed_credit.scorecard.points import Scorecard

Message = (
    HistogramQuestion
    | PartsQuestion
    | DetailsQuestion
    | ClassCountsQuestion
    | DriftQuestion
    | ScoreCountsQuestion
    | CrossProductsQuestion
    | LikelihoodQuestion
    | WoeDesign
)

Body = Mapping[str, Any]


def _by_name(raw: Mapping[str, Any], item: Callable[[Any], Any]) -> dict[str, tuple[Any, ...]]:
    return {str(name): tuple(item(value) for value in values) for name, values in raw.items()}


def _pair(raw: Any) -> tuple[int, int]:
    index, part = raw
    return int(index), int(part)


def _whole(raw: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in raw)


def _binnings(raw: Body) -> tuple[Binning, ...]:
    return tuple(Binning.from_dict(one) for one in raw["binnings"])


_READERS: dict[type[Message], Callable[[Body], Message]] = {
    HistogramQuestion: lambda raw: HistogramQuestion(
        tuple(str(name) for name in raw["features"]), _by_name(raw["specials"], float)
    ),
    PartsQuestion: lambda raw: PartsQuestion(
        _by_name(raw["bins"], int), _by_name(raw["specials"], float)
    ),
    DetailsQuestion: lambda raw: DetailsQuestion(
        _by_name(raw["parts"], _pair), _by_name(raw["specials"], float)
    ),
    ClassCountsQuestion: lambda raw: ClassCountsQuestion(
        tuple(FineBins.from_dict(one) for one in raw["bins"])
    ),
    DriftQuestion: lambda raw: DriftQuestion(_binnings(raw)),
    ScoreCountsQuestion: lambda raw: ScoreCountsQuestion(Scorecard.from_dict(raw["card"])),
    CrossProductsQuestion: lambda raw: CrossProductsQuestion(_whole(raw["exponents"])),
    LikelihoodQuestion: lambda raw: LikelihoodQuestion(
        tuple(float(value) for value in raw["coefficients"]), _whole(raw["exponents"])
    ),
    WoeDesign: lambda raw: WoeDesign(_binnings(raw)),
}
_TYPES = {kind.__name__: kind for kind in _READERS}


def write_message(message: FrameQuestion | MatrixQuestion | WoeDesign) -> str:
    """Return a question or a design as JSON, which :func:`read_message` reads.

    Parameters
    ----------
    message : FrameQuestion, MatrixQuestion or WoeDesign
        One of those named here.

    Returns
    -------
    str
    """
    if not isinstance(message, Message):
        raise TypeError(f"{type(message).__name__} does not travel")
    return json.dumps({"kind": type(message).__name__, **asdict(message)})


@lru_cache(maxsize=4)
def read_message(text: str) -> Message:
    """Read what :func:`write_message` wrote: equal to it, floats to the last bit.

    Raises
    ------
    ReleaseError
        If the text is none of the known questions or designs.
    """
    try:
        raw = json.loads(text)
        kind = str(raw["kind"])
        if kind not in _TYPES:
            raise ReleaseError(
                f"A question of kind '{kind}' is not known to this version;"
                f" refused.{suggestion(kind, _TYPES)}"
            )
        return _READERS[_TYPES[kind]](raw)
    except ReleaseError:
        raise
    except (
        FedCreditError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        reason = str(error).rstrip(".")
        raise ReleaseError(f"A question cannot be read ({reason}); refused.") from None
