"""The bank's app: works on the book that the bank's own node configuration names, and no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.app.user_config import UserConfig

from fed_credit.client_app import BOOK_KEY, app, stored_bank
from fed_credit.data.book import Dataset
from fed_credit.data.store import save_book
from fed_credit.errors import DataError
from fed_credit.runtime.local import InProcessGrid
from fed_credit.training.task import CONFIG, RECEIPT


def _identify(node_config: UserConfig, content: RecordDict | None = None) -> Message:
    grid = InProcessGrid(app, {2: node_config})
    message = Message(content or RecordDict(), dst_node_id=2, message_type="query.identify")
    (reply,) = grid.send_and_receive([message])
    return reply


def test_a_bank_answers_for_its_stored_book(
    dataset: Dataset, parts: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "book.parquet"
    save_book(path, dataset.book(2), parts[dataset.rows(2)])
    reply = _identify({BOOK_KEY: str(path)})
    assert dict(reply.content.config_records[RECEIPT]) == {"institution": "West Bank"}
    bank = stored_bank(path)
    assert stored_bank(path) is bank
    np.testing.assert_array_equal(bank.book.y, dataset.book(2).y)
    np.testing.assert_array_equal(bank.parts, parts[dataset.rows(2)])


def test_without_a_book_of_its_own_a_bank_refuses(tmp_path: Path) -> None:
    # A path in the message changes nothing.
    content = RecordDict({CONFIG: ConfigRecord({BOOK_KEY: str(tmp_path / "other.parquet")})})
    for node_config in ({}, {BOOK_KEY: str(tmp_path / "missing.parquet")}):
        reply = _identify(node_config, content)
        assert reply.has_error()
        assert str(tmp_path) not in str(reply.error.reason)


def test_a_missing_book_is_one_sentence_for_the_bank(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a stored loan book"):
        stored_bank(tmp_path / "missing.parquet")
