"""What leaves the repository: the wheel that banks install, the bundle that travels in a run."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from flwr.cli.build import build_fab_from_disk

from fed_credit.config.location import conf_dir

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A copy of what the repository holds, in a folder with a name that Flower takes."""
    copy = tmp_path / "app"
    copy.mkdir()
    for name in ("pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, copy / name)
    for name in ("fed_credit", "clients", "strategies", "conf"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def bundle(app: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(build_fab_from_disk(app)))


def test_the_bundle_carries_configuration_and_no_code(app: Path) -> None:
    # What somebody may leave lying about must not slip in either.
    for stray in ("conf/model/custom.py", "conf/notes.md", "conf/data/loans.json", "stray.yaml"):
        (app / stray).write_text("")
    names = set(bundle(app).namelist())
    configuration = {f"conf/{path.relative_to(conf_dir())}" for path in conf_dir().rglob("*.yaml")}
    assert names == {"pyproject.toml", ".info/CONTENT"} | configuration


def test_the_bundle_names_installed_components_and_strings_alone(app: Path) -> None:
    config = tomllib.loads(bundle(app).read("pyproject.toml").decode())
    assert config["tool"]["flwr"]["app"]["components"] == {
        "serverapp": "fed_credit.server_app:app",
        "clientapp": "fed_credit.client_app:app",
    }
    assert config["tool"]["flwr"]["app"]["config"] == {"overrides": "", "name": "", "banks": ""}


def test_flowers_own_command_builds_the_same_bundle(app: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "FLWR_TELEMETRY_ENABLED": "0", "FLWR_HOME": str(tmp_path)}
    code = "from flwr.cli.app import app; app()"
    subprocess.run(
        [sys.executable, "-c", code, "build", "--app", str(app)],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
    )
    (built,) = tmp_path.glob("fed-credit.fed-credit.*.fab")
    with zipfile.ZipFile(built) as archive:
        assert archive.namelist() == bundle(app).namelist()


@pytest.mark.slow
def test_the_wheel_works_outside_the_repository(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("fed_credit-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    packaged = {
        f"fed_credit/conf/{path.relative_to(conf_dir())}" for path in conf_dir().rglob("*.yaml")
    }
    templates = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "fed_credit" / "deploy" / "templates").rglob("*.j2")
    }
    assert templates
    assert packaged | templates <= names
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"fed_credit", "clients", "strategies"}

    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", installed, wheel],
        check=True,
    )
    # Before the repository that an editable installation puts on the path.
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    where = subprocess.run(
        [
            sys.executable,
            "-c",
            "from fed_credit.config.location import conf_dir; print(conf_dir())",
        ],
        cwd=elsewhere,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert where.stdout.strip() == str(installed / "fed_credit" / "conf")
    command = installed / "bin" / "fed-credit"
    shown = subprocess.run(
        [sys.executable, command, "simulate", "--cfg", "job", "seed=4321"],
        cwd=elsewhere,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "seed: 4321" in shown.stdout
    done = subprocess.run(
        [sys.executable, command, "simulate", "experiment=quick", "run_dir=run", "progress=false"],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "run" / "results.json").is_file()
