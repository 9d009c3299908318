"""A bank's own labelled loans, read by the schema of a model's file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fed_credit.config.convert import build
from fed_credit.config.location import conf_dir, schema_dir
from fed_credit.config.spec import (
    DataSpec,
    InstitutionSpec,
    MappingSpec,
    PartitionKind,
    PartitionSpec,
    SourceKind,
    SourceSpec,
    SplitKind,
    SplitSpec,
    SyntheticSpec,
    TargetSpec,
)
from fed_credit.data.book import DataReport, Part
from fed_credit.data.load import load_dataset
from fed_credit.data.schema import KnownAt
from fed_credit.data.split import assign_parts, cut_date
from fed_credit.data.table import AUTO
from fed_credit.errors import ArtefactError
from fed_credit.model_file.contents import ModelFile
from fed_credit.model_file.samples import Judged, Sample, segments_of, years_of

_OWN = "own loans"
_MOST_REJECTED = 0.05


@dataclass(frozen=True)
class OwnLoans:
    """A bank's own labelled loans, scored by the model.

    Parameters
    ----------
    judged : Judged
        Loans to choose on (``validation``) and loans to judge by (``test``).
    report : DataReport
        Where every row of the table went.
    split : SplitKind
        How the two were parted.
    set_aside : int
        Loans in neither.
    warnings : tuple of str
        What a reader of figures on these loans has to know.
    """

    judged: Judged
    report: DataReport
    split: SplitKind
    set_aside: int
    warnings: tuple[str, ...]


def read_own_loans(
    model: ModelFile,
    path: Path,
    *,
    as_of: str | None,
    split: SplitKind | None,
    test_share: float,
    seed: int,
) -> OwnLoans:
    """Read a table of labelled loans, score it, and part it in two.

    Parameters
    ----------
    model : ModelFile
        Its schema says what the columns are, its provenance what "bad" means.
    path : Path
        CSV or Parquet.
    as_of : str or None
        Day up to which the loans were observed, ``YYYY-MM-DD``; None takes the latest day seen.
    split : SplitKind or None
        None parts the loans by time where they have days of decision, and else at random.
    test_share : float
        Of the loans, to judge by.
    seed : int
        Of a split at random.

    Returns
    -------
    OwnLoans

    Raises
    ------
    FedCreditError
        If the table cannot be read, or its loans cannot be parted so.
    """
    schema = model.schema
    kind = split or (SplitKind.OUT_OF_TIME if schema.roles.decision_date else SplitKind.RANDOM)
    spec = _data_spec(model, path, as_of, kind, test_share)
    dataset = load_dataset(
        spec,
        num_institutions=None,
        schema_dir=schema_dir(),
        seed=seed,
        at_one_bank=True,
        schema=schema,
    )
    division = spec.split
    if kind is SplitKind.OUT_OF_TIME:
        division = replace(division, test_from=str(cut_date(dataset.decided, division)))
    window = spec.target.window_months
    parts = assign_parts(dataset, division, window, seed, at_one_bank=True)
    known = parts != Part.SET_ASIDE
    pd = np.full(len(dataset), np.nan)
    pd[known] = model.artefact.score(dataset.features.iloc[np.flatnonzero(known)])

    def sample(rows: np.ndarray) -> Sample:
        return Sample.of(dataset.y[rows], pd[rows], dataset.decided[rows])

    test = np.flatnonzero(parts == Part.TEST)
    judged = Judged(
        split=str(kind),
        validation=sample(np.flatnonzero(known & (parts != Part.TEST))),
        test=sample(test),
        segments=segments_of(
            schema,
            dataset.features.iloc[test],
            dataset.exposure[test],
            None,
            dataset.y[test],
            pd[test],
        ),
        years=years_of(dataset.y, dataset.decided),
        comparison=model.evaluation.get("comparison"),
    )
    return OwnLoans(judged, dataset.report, kind, int((~known).sum()), dataset.warnings)


def _data_spec(
    model: ModelFile, path: Path, as_of: str | None, kind: SplitKind, test_share: float
) -> DataSpec:
    origin = model.provenance
    try:
        window, point = origin["target"]["window_months"], KnownAt(origin["decision_point"])
    except (LookupError, TypeError, ValueError):
        raise ArtefactError(
            "The model's provenance does not say what its target and decision point are, so loans"
            " cannot be labelled as its own were; make the file anew."
        ) from None
    own = SourceSpec(path=str(path), url=None, query=None, csv=AUTO)
    none = MappingSpec(columns={}, values={}, units={}, dates={})
    features = [item.name for item in model.artefact.model.features]
    late = [n for n in features if model.schema.fields[n].known_at.rank > point.rank]
    return DataSpec(
        source=SourceKind.TABLE,
        path=None,
        url=None,
        query=None,
        csv=AUTO,
        mapping=none,
        institutions=[InstitutionSpec(_OWN, own, none)],
        schema=model.schema.name,
        decision_point=point,
        allow_late_fields=late,
        exclude_fields=[],
        features=features,
        approved_from=None,
        min_loans=1,
        max_rejected_share=_MOST_REJECTED,
        target=TargetSpec(window_months=window, as_of=as_of),
        partition=PartitionSpec(PartitionKind.NATURAL, num_parts=1, alpha=1.0),
        split=SplitSpec(
            kind=kind,
            test_share=test_share,
            validation_share=0.5,  # of what is not test; both halves are chosen on
            test_from=None,
            stratified=False,
            embargo=True,
        ),
        generator=_no_generator(),
    )


def _no_generator() -> SyntheticSpec:
    """Return the knobs of the built-in generator, which a table does not turn."""
    packaged = conf_dir() / "data" / "synthetic.yaml"
    body: dict[str, Any] = yaml.safe_load(packaged.read_text(encoding="utf-8"))
    return build(SyntheticSpec, body["generator"])
