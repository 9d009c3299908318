"""What tests of whole deployments share."""

from __future__ import annotations

import yaml

from fed_credit.deploy.demo.run import Demo


def answer_for_few_loans(demo: Demo, least: int) -> None:
    """Let the banks of a demo answer for as few loans as this; a test's banks are small."""
    for home in demo.homes.values():
        file = home / "bank.yaml"
        body = yaml.safe_load(file.read_text(encoding="utf-8"))
        body["policy"] = {**body.get("policy", {}), "min_loans": least}
        file.write_text(yaml.safe_dump(body, allow_unicode=True), encoding="utf-8")
