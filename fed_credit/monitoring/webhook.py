"""Posting alerts to an address of the bank's choice, signed.

The signature is HMAC-SHA256 over the time of the attempt, a dot and the body. Whoever takes it
makes the same from the shared secret and the header's time, compares, and refuses old times, so
that a request that was seen on the way cannot be sent again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from typing import Any

from fed_credit.config.monitor import WebhookSpec

SIGNATURE = "X-Fed-Credit-Signature"
_AGAIN = (408, 425, 429)  # and from 500 on


def post(webhook: WebhookSpec, body: dict[str, Any]) -> str | None:
    """Post a body as JSON, again where that may help.

    Parameters
    ----------
    webhook : WebhookSpec
        Where, how long and how often. Redirections are not followed.
    body : dict
        Plain values.

    Returns
    -------
    str or None
        None once it was answered with a 2xx; else what went wrong, without the address, which may
        hold a token.
    """
    import httpx

    assert webhook.url is not None
    content = json.dumps(body, ensure_ascii=False, sort_keys=True, allow_nan=False).encode()
    wait, trouble = webhook.wait_s, ""
    with httpx.Client(timeout=webhook.timeout_s, follow_redirects=False) as client:
        for attempt in range(webhook.attempts):
            if attempt:
                time.sleep(wait)
                wait *= 2
            headers = {"Content-Type": "application/json", **signed(webhook, content)}
            try:
                status = client.post(webhook.url, content=content, headers=headers).status_code
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                trouble = type(error).__name__
                continue
            if 200 <= status < 300:
                return None
            trouble = f"it answers {status}"
            if status not in _AGAIN and status < 500:
                break
    return trouble


def signed(webhook: WebhookSpec, content: bytes) -> dict[str, str]:
    """Return the header that signs a body now; none where the environment holds no secret."""
    secret = os.environ.get(webhook.secret_variable, "")
    if not secret:
        return {}
    now = str(int(time.time()))
    digest = hmac.new(secret.encode(), f"{now}.".encode() + content, hashlib.sha256).hexdigest()
    return {SIGNATURE: f"t={now},v1={digest}"}
