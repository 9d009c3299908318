"""What a submitted run carries to the banks."""

from __future__ import annotations

import io
import tomllib
import zipfile
from pathlib import Path

from fed_credit import __version__
from fed_credit.config.location import conf_dir
from fed_credit.deploy.bundle import build_bundle

ROOT = Path(__file__).resolve().parents[3]


def bundle() -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(build_bundle()))


def test_the_bundle_is_the_packaged_configuration_and_nothing_else() -> None:
    configuration = {
        f"conf/{path.relative_to(conf_dir()).as_posix()}" for path in conf_dir().rglob("*.yaml")
    }
    assert set(bundle().namelist()) == {"pyproject.toml", ".info/CONTENT"} | configuration
    for path in conf_dir().rglob("*.yaml"):
        name = f"conf/{path.relative_to(conf_dir()).as_posix()}"
        assert bundle().read(name) == path.read_bytes()


def test_it_is_the_app_that_the_repository_declares() -> None:
    carried = tomllib.loads(bundle().read("pyproject.toml").decode())
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert carried["tool"]["flwr"] == declared["tool"]["flwr"]
    assert carried["project"]["name"] == declared["project"]["name"]
    assert carried["project"]["version"] == __version__
    assert set(carried["project"]) == {"name", "version", "description"}


def test_the_same_version_builds_the_same_bundle() -> None:
    assert build_bundle() == build_bundle()
