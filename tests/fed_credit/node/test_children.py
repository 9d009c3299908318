"""What a task's process may take of the bank's machine."""

from __future__ import annotations

import json
import os
import resource
import selectors
import time
from pathlib import Path
from typing import Any

import pytest

from fed_credit.node.children import Children
from fed_credit.node.home import Home


def test_a_tasks_process_takes_no_more_memory_than_there_is_and_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator chooses the model, and so how much memory its layers take."""

    def task(home: Home, call: object, tell: Any, started: float) -> int:
        found = {
            "limit": resource.getrlimit(resource.RLIMIT_DATA),
            "first": int(Path("/proc/self/oom_score_adj").read_text()),
        }
        (tmp_path / "found.json").write_text(json.dumps(found))
        tell({"done": True})
        return 0

    monkeypatch.setattr("fed_credit.node.task.run_task", task)
    monkeypatch.setattr("fed_credit.node.call.parse_call", lambda words: words)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    codes: list[int] = []
    with selectors.DefaultSelector() as selector:
        children = Children(Home(tmp_path), selector)
        children.start(["a task"], time.monotonic(), codes.append)
        end = time.monotonic() + 60
        while len(children) and time.monotonic() < end:
            for key, _ in selector.select(0.05):
                children.read(key.data)
            children.tend()
    found = json.loads((tmp_path / "found.json").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert found == {"limit": [memory, memory], "first": 1000}
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert codes == [0]
