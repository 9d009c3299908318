"""Pictures of every page for the docs: ``make screenshots`` makes them anew.

They are written into the folder that ``FED_CREDIT_SCREENSHOTS`` names; without it nothing is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

FOLDER = os.environ.get("FED_CREDIT_SCREENSHOTS")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(FOLDER is None, reason="make screenshots asks for pictures"),
]
DESK, PHONE = (1280, 900), (390, 844)
_MOST_BYTES = 250_000

Visits = Callable[..., Any]


def _take(page: Any, name: str, *, height: int | None = None) -> None:
    """Photograph a page from its top, all of it or so many pixels."""
    assert FOLDER is not None
    page.evaluate("window.scrollTo(0, 0)")
    # The menu's ring of focus, and the sticky side that full pages tear apart.
    page.evaluate("document.activeElement.blur()")
    path = Path(FOLDER) / f"page-{name}.png"
    size = page.viewport_size
    whole = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(height or whole, whole)})
    page.wait_for_timeout(150)
    page.screenshot(path=str(path))
    page.set_viewport_size(size)
    assert path.stat().st_size < _MOST_BYTES, (name, path.stat().st_size)


def _declined(service: Any) -> str:
    """Return the id of a declined application that small changes would have approved."""
    headers = {"Authorization": f"Bearer {service.home.secrets['admin']}"}
    with httpx.Client(base_url=service.url, headers=headers) as client:
        listed = client.get("/v1/decisions", params={"most": 200, "verdict": "decline"}).json()
        for one in listed["decisions"]:
            whole = client.get(f"/v1/decisions/{one['id']}").json()
            told = client.post("/v1/what-if", json={"loan": whole["inputs"]}).json()
            if len(told["alternatives"]) > 1 and not whole["overrides"]:
                return str(one["id"])
    raise AssertionError("no declined application has alternatives")


def _open(page: Any, id: str) -> None:
    page.fill("#find-id", id)
    page.press("#find-id", "Enter")
    page.wait_for_selector("#changes li")


def test_pictures_of_the_bank(visit: Visits, bank: Any) -> None:
    page = visit(bank, size=DESK).page
    page.wait_for_selector("#recent tr")
    page.screenshot(path=str(Path(FOLDER or "") / "page-desk.png"))
    declined = _declined(bank)
    _open(page, declined)
    _take(page, "desk-declined", height=1330)
    for name, height in (("monitoring", 1500), ("model", 1250), ("history", 1150)):
        page.goto(f"{bank.url}/{name}")
        if name == "history":
            page.click("details summary")
        _take(page, name, height=height)
    phone = visit(bank, size=PHONE)
    phone.go("/?lang=zh")
    _open(phone.page, declined)
    top = phone.page.evaluate(
        "document.getElementById('result-title').getBoundingClientRect().top + scrollY"
    )
    phone.page.evaluate(f"window.scrollTo(0, {top} - 8)")
    phone.page.set_viewport_size({"width": PHONE[0], "height": 1250})
    phone.page.wait_for_timeout(150)
    phone.page.evaluate(f"window.scrollTo(0, {top} - 8)")
    phone.page.screenshot(path=str(Path(FOLDER or "") / "page-desk-phone.png"))
    phone.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    phone.go("/monitoring")
    _take(phone.page, "monitoring-phone", height=1500)


def test_pictures_of_the_operator(visit: Visits, operator: Any) -> None:
    tab = visit(operator, "read", size=DESK)
    _take(tab.go("/runs/2024-summer"), "operator-run", height=1500)
    _take(tab.go("/monitoring"), "operator-drift", height=1400)
    phone = visit(operator, "read", size=PHONE)
    phone.go("/?lang=zh")
    _take(phone.go("/runs/2024-winter"), "operator-run-phone", height=1500)


def test_a_picture_of_the_operator_s_runs(visit: Visits, deployed: Any) -> None:
    page = visit(deployed, "read", size=DESK).page
    page.goto(f"{deployed.url}/")
    _take(page, "operator-runs", height=760)
