"""Who is told can change when a run is gone on with; what it computes cannot."""

from __future__ import annotations

from fed_credit.commands.simulate import _tracking
from fed_credit.config.spec import TrackingKind, TrackingSpec

SAVED = TrackingSpec(TrackingKind.MLFLOW, "https://host:5000", "small firms", True, 3.0)


def test_without_a_word_it_stays() -> None:
    assert _tracking(["resume=runs/a", "progress=false"], SAVED) == SAVED


def test_one_key_changes_alone() -> None:
    changed = _tracking(["resume=runs/a", "tracking.required=false"], SAVED)
    assert changed == TrackingSpec(SAVED.kind, SAVED.uri, SAVED.experiment, False, 3.0)


def test_another_tracker_brings_its_own_defaults() -> None:
    assert _tracking(["tracking=none"], SAVED).uri is None
    assert _tracking(["tracking=mlflow"], SAVED).uri == "sqlite:///runs/mlflow.db"
