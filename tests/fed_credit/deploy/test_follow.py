"""How a run ended, in a sentence and an exit code."""

from __future__ import annotations

import pytest

from fed_credit.deploy.follow import check_completed, failure
from fed_credit.deploy.records import Run, RunStatus
from fed_credit.errors import RunFailedError

TRACEBACK = """\
round 1/3: validation loss 0.4000, AUC 0.7000
ERROR :      ServerApp raised an exception
Traceback (most recent call last):
  File "x.py", line 1, in <module>
fed_credit.errors.DataError: The first one.

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "x.py", line 2, in <module>
{last}

"""


def ended(status: RunStatus, details: str = "") -> Run:
    return Run(7, {"name": "spring"}, status, details, None, None, None)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ("fed_credit.errors.QuorumError: Only 2 of 3 banks answered.", 3),
        ("fed_credit.errors.ConfigurationError: No such thing.", 2),
        # Of a version to come, on the other side.
        ("fed_credit.errors.NovelError: Something new.", 2),
    ],
)
def test_the_server_app_s_own_error_is_the_reason(last: str, code: int) -> None:
    run = ended(RunStatus.FAILED, "ServerApp failed with exception: whatever")
    with pytest.raises(RunFailedError) as caught:
        check_completed(run, TRACEBACK.format(last=last))
    assert caught.value.exit_code == code
    assert str(caught.value) == (
        f"Run 'spring' (7) failed: {last.partition(': ')[2]}"
        " Go on with: fed-credit deploy run resume=spring"
    )


@pytest.mark.parametrize(
    ("details", "text"),
    [
        ("ServerApp failed with exception: division by\nzero", "division by zero."),
        ("", "the SuperLink does not know why; see its log."),
        ("No heartbeat received from the task", "it stopped answering, as after an end of"),
    ],
)
def test_without_one_it_is_flower_s_word(details: str, text: str) -> None:
    found, code = failure(ended(RunStatus.FAILED, details), "INFO: nothing of use\n")
    assert found.startswith(text)
    assert code == 1


def test_a_stopped_run_is_no_completed_one() -> None:
    with pytest.raises(RunFailedError, match=r"^Run 'spring' \(7\) was stopped\.$") as caught:
        check_completed(ended(RunStatus.STOPPED), "")
    assert caught.value.exit_code == 4
    check_completed(ended(RunStatus.COMPLETED), "")
