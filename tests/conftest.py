"""Small data and small runs that several test modules share."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before PyTorch is imported: the machine that runs the tests has better uses for its cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from fed_credit.config.load import compose
from fed_credit.config.spec import SimulationSpec
from fed_credit.data.book import DataReport, Dataset
from fed_credit.data.schema import Field, Kind, KnownAt, Schema
from fed_credit.data.split import assign_parts
from fed_credit.training.run_spec import RunSpec

# A shell that starts tests in the background has them ignore the interrupt, and so would all that
# they start and then interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A machine with other work is slow, and that is no fault of what is tested.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test with bytes by its argument: packed bytes may differ from second to second, and
    the workers of pytest-xdist refuse to start unless they all collect the same names."""
    return argname if isinstance(val, bytes) else None


BANKS = {"North Bank": 140, "South Bank": 90, "West Bank": 70}
TINY_MODEL = [
    "model=mlp_small",
    "model.hidden=[8]",
    "model.learning_rate=0.01",
    "model.batch_size=32",
    "model.weight_decay=0.0001",
]
# Three banks of the built-in generator, cut down to what a test can wait for.
TINY_RUN = [
    "data=synthetic",
    "data.generator.num_loans=1500",
    "data.generator.num_institutions=3",
    "data.min_loans=50",
    "data.split.test_share=0.35",
    "federation.num_rounds=3",
    "evaluation.min_bads=3",
    "evaluation.repeats=1",
    "progress=false",
    *TINY_MODEL,
]


@pytest.fixture(scope="session")
def make_dataset() -> Callable[..., Dataset]:
    """Build a data set in memory: numeric, boolean, listed and hashed fields, with gaps."""
    return _dataset


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    """Three banks with 300 loans, of which about a third are bad."""
    return _dataset()


@pytest.fixture(scope="session")
def parts(dataset: Dataset, make_spec: Callable[..., SimulationSpec]) -> np.ndarray:
    """A random split of :func:`dataset`."""
    return assign_parts(dataset, make_spec().data.split, None, 7)


@pytest.fixture(scope="session")
def make_spec(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., SimulationSpec]:
    """Compose a configuration for the in-memory data set, with overrides; a small network unless
    these name a model."""
    unused = tmp_path_factory.mktemp("spec") / "unused"

    def make(*overrides: str) -> SimulationSpec:
        return compose(
            [
                "data.target.window_months=null",
                "data.split.kind=random",
                "data.split.test_share=0.25",
                "data.split.validation_share=0.25",
                "federation.num_rounds=3",
                "evaluation.histogram_bins=64",
                "evaluation.min_bads=3",
                f"run_dir='{unused}'",
                *([] if any(text.startswith("model=") for text in overrides) else TINY_MODEL),
                *overrides,
            ]
        )

    return make


@pytest.fixture(scope="session")
def make_run_spec(
    dataset: Dataset, make_spec: Callable[..., SimulationSpec]
) -> Callable[..., RunSpec]:
    """Take the part of a configuration that travels, over the in-memory data set's features."""

    def make(*overrides: str) -> RunSpec:
        return RunSpec.of(make_spec(*overrides), dataset.schema, dataset.fields, 7)

    return make


@pytest.fixture
def tiny_run(tmp_path: Path) -> Callable[..., SimulationSpec]:
    """Compose a whole run in seconds, with a run folder of its own by name."""

    def make(name: str = "run", overrides: Sequence[str] = (), **spec: Any) -> SimulationSpec:
        made = compose([*TINY_RUN, f"run_dir='{tmp_path / name}'", *overrides])
        for key, value in spec.items():
            setattr(made, key, value)
        return made

    return make


@pytest.fixture(scope="session")
def tiny_overrides() -> list[str]:
    """The overrides of :func:`tiny_run`, for a process of its own."""
    return list(TINY_RUN)


_FIELDS = (
    Field("turnover", Kind.NUMERIC, unit="CNY"),
    Field("firm_age", Kind.NUMERIC, unit="months"),
    Field("guaranteed", Kind.BOOLEAN, true_values=("1",), false_values=("0",)),
    Field("sector", Kind.CATEGORICAL, values=("farming", "trade", "services")),
    Field("branch", Kind.CATEGORICAL, hash_buckets=8),
)


def _dataset(sizes: dict[str, int] | None = None, seed: int = 11) -> Dataset:
    sizes = BANKS if sizes is None else sizes
    rng = np.random.default_rng(seed)
    n = sum(sizes.values())
    turnover = np.exp(rng.normal(13.0, 1.0, n))
    age = np.floor(rng.gamma(2.0, 30.0, n))
    guaranteed = rng.integers(0, 2, n).astype(float)
    sector = rng.choice(["farming", "trade", "services"], n, p=[0.2, 0.5, 0.3])
    branch = rng.choice([f"branch {k}" for k in range(12)], n)
    log_odds = (
        -1.0 - 0.9 * (np.log(turnover) - 13.0) - 0.01 * (age - 60) + 0.8 * (sector == "farming")
    )
    y = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(np.int8)
    age[rng.random(n) < 0.1] = np.nan
    guaranteed[rng.random(n) < 0.05] = np.nan
    features = pd.DataFrame(
        {
            "turnover": turnover,
            "firm_age": age,
            "guaranteed": guaranteed,
            "sector": pd.Categorical(sector, categories=["farming", "trade", "services"]),
            "branch": pd.Categorical(branch),
        }
    )
    days = rng.integers(0, 365 * 4, n).astype("timedelta64[D]")
    return Dataset(
        schema=Schema("test", {field.name: field for field in _FIELDS}, currency="CNY"),
        decision_point=KnownAt.APPLICATION,
        fields=_FIELDS,
        names=tuple(sizes),
        offsets=np.r_[0, np.cumsum(list(sizes.values()))].astype(np.int64),
        features=features,
        y=y,
        exposure=np.round(np.exp(rng.normal(13.0, 0.7, n)), 2),
        loan_id=np.array([f"loan {k}" for k in range(n)], dtype=object),
        firm=np.arange(n, dtype=np.int64),
        decided=np.datetime64("2018-01-01") + days,
        true_pd=1 / (1 + np.exp(-log_odds)),
        report=DataReport(rows=n, used=n, fingerprint="0" * 64),
        rejected=pd.DataFrame(columns=["row", "field", "reason", "value"]),
    )


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL server: its address without a password, and how to sign in."""

    url: str
    user: str
    password: str

    def sign_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put user and password where the library looks for them."""
        monkeypatch.setenv("PGUSER", self.user)
        monkeypatch.setenv("PGPASSWORD", self.password)

    def store(self, frame: pd.DataFrame, table: str) -> None:
        """Write a table."""
        from sqlalchemy import create_engine, make_url

        url = make_url(self.url).set(username=self.user, password=self.password)
        frame.to_sql(table, create_engine(url), index=False, if_exists="replace")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Start a real PostgreSQL from the machine's packages in a folder and on a port of its own."""
    pytest.importorskip("psycopg", reason="the extra 'sql' is not installed")
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("initdb") or next(
        (str(place / "initdb") for place in reversed(places) if (place / "initdb").exists()), None
    )
    if found is None:
        pytest.skip("PostgreSQL's programs are not installed (apt-get install postgresql)")
    programs = Path(found).resolve().parent
    # PostgreSQL refuses to run as root.
    as_user: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="fc-pg-"))
    if os.geteuid() == 0:
        as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user, password = "modeller", secrets.token_hex(12)

    def call(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(programs / program), *arguments],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=120,
            **as_user,
        )
        assert done.returncode == 0, done.stderr

    word = folder / "word"
    word.write_text(password)
    word.chmod(0o644)
    data = str(folder / "data")
    call("initdb", "-D", data, "-U", user, f"--pwfile={word}", "--auth=scram-sha-256", "-N")
    word.unlink()
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    call("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        address = f"postgresql+psycopg://127.0.0.1:{port}/postgres"
        yield Postgres(address, user, password)
    finally:
        call("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture
def schema(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An address of :func:`postgres` whose tables lie in a schema of this test's own."""
    from sqlalchemy import create_engine, make_url, text

    postgres.sign_in(monkeypatch)
    name = f"test_{secrets.token_hex(4)}"
    engine = create_engine(
        make_url(postgres.url).set(username=postgres.user, password=postgres.password)
    )
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    monkeypatch.setenv("PGOPTIONS", f"-c search_path={name}")
    yield postgres.url
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
    engine.dispose()
