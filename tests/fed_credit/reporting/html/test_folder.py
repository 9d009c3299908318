"""A page from a folder: without the loans, bounded in size, and one sentence where it cannot be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fed_credit.cli import main
from fed_credit.errors import DataError
from fed_credit.reporting.html.folder import render_folder

NEEDED = ("results.json", "report_data.json", "config.yaml")


@pytest.fixture
def folder(run: Any, tmp_path: Path) -> Path:
    """The files that a page is made of, and nothing else."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in NEEDED:
        shutil.copy(run.folder / name, copy / name)
    return copy


def test_the_files_give_the_page_that_the_run_wrote(run: Any, folder: Path) -> None:
    written = (run.folder / "report.html").read_text(encoding="utf-8")
    assert render_folder(folder) == written
    assert len(written) < 500_000
    assert (run.folder / "report_data.json").stat().st_size < 200_000


def test_curves_are_thinned(run: Any) -> None:
    for curve in run.data["curves"].values():
        assert {len(curve[key]) for key in ("tpr", "goods", "bads", "profit")} == {101}
    assert all(len(repeat["rounds"]) <= 200 for repeat in run.data["learning"])


def test_the_command_writes_a_page(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(folder)]) == 0
    assert (folder / "report.html").read_text(encoding="utf-8") == render_folder(folder)
    out = tmp_path / "other" / "page.html"
    assert main(["report", str(folder), "--out", str(out), "--lang", "zh"]) == 0
    assert out.read_text(encoding="utf-8") == render_folder(folder, "zh")
    assert capsys.readouterr().out.splitlines()[-1] == f"Report: {out}"
    assert main(["report", str(folder), "--lang", "fr"]) == 2
    assert "fr" in capsys.readouterr().err


def test_what_is_no_finished_run_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name the folder of a run or of a sweep"):
        render_folder(tmp_path / "nowhere")
    (folder / "results.json").unlink()
    with pytest.raises(DataError, match=r"has not ended; go on with it by fed-credit .*resume="):
        render_folder(folder)


@pytest.mark.parametrize("body", ["{", "[]"])
def test_damage_is_one_sentence(folder: Path, body: str) -> None:
    (folder / "report_data.json").write_text(body)
    with pytest.raises(DataError, match=r"report_data\.json is damaged"):
        render_folder(folder)


def test_a_run_of_an_older_version_says_how_to_go_on(folder: Path) -> None:
    path = folder / "report_data.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 0}))
    with pytest.raises(DataError, match=r"another version of fed-credit.*resume="):
        render_folder(folder)
    path.unlink()
    with pytest.raises(DataError, match=r"cannot be read.*resume="):
        render_folder(folder)
