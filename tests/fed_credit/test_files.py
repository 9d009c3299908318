from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from fed_credit.errors import FedCreditError
from fed_credit.files import replacing, write_json, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_folders_and_leaves_nothing_beside_it(tmp_path):
    target = tmp_path / "deep" / "er" / "file.txt"
    write_text(target, "größe 大小\n")
    assert target.read_text(encoding="utf-8") == "größe 大小\n"
    write_text(target, "new")
    assert target.read_text() == "new" and names(target.parent) == ["file.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_old_file_stays_when_writing_stops_halfway(tmp_path, error):
    target = tmp_path / "file.txt"
    write_text(target, "old")
    with pytest.raises(error), replacing(target) as temporary:
        temporary.write_text("ha")
        assert target.read_text() == "old"
        raise error
    assert target.read_text() == "old" and names(tmp_path) == ["file.txt"]


def test_a_full_disk_is_one_sentence_and_leaves_the_old_file(tmp_path):
    target = tmp_path / "file.txt"
    write_text(target, "old")
    refusal = pytest.raises(FedCreditError, match=r"file.txt cannot be written \(No space")
    with refusal, replacing(target) as temporary:
        temporary.write_text("ha")
        raise OSError(28, "No space left on device")
    assert target.read_text() == "old" and names(tmp_path) == ["file.txt"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    target = tmp_path / "model"
    for version in ("one", "two"):
        with replacing(target) as temporary:
            temporary.mkdir()
            (temporary / version).write_text(version)
        assert names(target) == [version] and names(tmp_path) == ["model"]


def test_the_old_folder_comes_back_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("old")
    rename = Path.rename

    def failing(path: Path, to: Path) -> Path:
        if path.name.endswith(".part"):
            raise OSError(5, "Input/output error")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(FedCreditError, match="Input/output"), replacing(target) as temporary:
        temporary.mkdir()
    assert names(target) == ["old"] and names(tmp_path) == ["model"]


def test_what_a_killed_process_left_is_no_obstacle(tmp_path):
    target = tmp_path / "model"
    with replacing(target) as temporary:
        pass_over = temporary
        temporary.mkdir()
    pass_over.mkdir()  # the same process number as in an earlier, killed run
    (pass_over / "half").write_text("half")
    with replacing(target) as temporary:
        temporary.mkdir()
        (temporary / "whole").write_text("whole")
    assert names(target) == ["whole"] and names(tmp_path) == ["model"]


def test_a_file_where_a_folder_is_needed_is_one_sentence(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FedCreditError, match=r"cannot be written .*name another place"):
        write_text(tmp_path / "taken" / "file.txt", "text")
    assert (tmp_path / "taken").read_text() == "a file"


def test_a_place_without_a_name_is_one_sentence():
    for place in (".", "/"):
        with pytest.raises(FedCreditError, match="name a file in it"):
            write_text(Path(place), "text")


def test_a_folder_where_a_file_is_wanted_is_kept(tmp_path):
    (tmp_path / "results.json" / "inside").mkdir(parents=True)
    with pytest.raises(FedCreditError, match=r"results.json cannot be written"):
        write_json(tmp_path / "results.json", {})
    assert names(tmp_path / "results.json") == ["inside"] and names(tmp_path) == ["results.json"]


def test_json_is_strict_and_keeps_numbers_exactly(tmp_path):
    body = {"a": [0.1, math.nan, (math.inf, 1)], "ü": {"b": -math.inf, "c": 1e-300}, "d": None}
    write_json(tmp_path / "x.json", body)
    text = (tmp_path / "x.json").read_text(encoding="utf-8")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(text, parse_constant=refuse) == {
        "a": [0.1, None, [None, 1]],
        "ü": {"b": None, "c": 1e-300},
        "d": None,
    }
    assert "ü" in text and text.endswith("\n")
