"""Who is told of a run: what cannot work is refused in a sentence, a password without saying it."""

from __future__ import annotations

import pytest

from fed_credit.config.load import compose
from fed_credit.config.spec import TrackingKind
from fed_credit.errors import ConfigurationError


def test_nobody_is_told_by_default() -> None:
    assert compose([]).tracking.kind is TrackingKind.NONE


@pytest.mark.parametrize(
    "uri", ["sqlite:///runs/mlflow.db", "sqlite:////var/mlflow.db", "https://mlflow.bank:5000/a"]
)
def test_files_and_servers_are_taken(uri: str) -> None:
    assert compose(["tracking=mlflow", f"tracking.uri='{uri}'"]).tracking.uri == uri


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["tracking=mlflow", "tracking.uri=null"], "needs tracking.uri"),
        (["tracking=mlflow", "tracking.uri=databricks"], "sqlite:///FILE"),
        (["tracking=mlflow", "tracking.uri='ftp://host'"], "sqlite:///FILE"),
        (["tracking=mlflow", "tracking.uri='https://host:port'"], "sqlite:///FILE"),
        (["tracking=mlflow", "tracking.uri='https:///runs'"], "names no host"),
        (["tracking=mlflow", "tracking.uri='sqlite://runs.db'"], "three slashes"),
        (["tracking=mlflow", "tracking.uri='sqlite:///:memory:'"], "names no file"),
        (["tracking=mlflow", "tracking.experiment=' '"], "tracking.experiment"),
        (["tracking=mlflow", "tracking.timeout_s=0"], "tracking.timeout_s=0"),
        (["tracking=tensorboard", "tracking.uri='https://host'"], "add tracking=mlflow"),
        (["tracking.uri='https://host'"], "add tracking=mlflow"),
        (["tracking=wandb"], "mlflow, none, tensorboard"),
    ],
)
def test_what_cannot_work_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        compose(overrides)


@pytest.mark.parametrize(
    "uri",
    [
        "https://user:geheim@host",
        "https://geheim@host",
        "https://host/?token=geheim",
        "https://:geheim@host",
    ],
)
def test_a_password_is_refused_without_saying_it(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="MLFLOW_TRACKING_PASSWORD") as refusal:
        compose(["tracking=mlflow", f"tracking.uri='{uri}'"])
    assert "geheim" not in str(refusal.value)
