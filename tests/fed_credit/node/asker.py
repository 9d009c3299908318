"""The operator's app of the tests: asks the banks what a test writes into a folder.

It runs at the SuperLink, from a folder on its import path; the run's key ``name`` names the folder
of questions. A question is ``ask-N.json``; its answer is ``answer-N.json``. It imports nothing of
Fed Credit, since a test's bundle may hold code of that name, which is first on its import path.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    folder = Path(str(context.run_config["name"]))
    number = 0
    while not (folder / "stop").exists():
        question = folder / f"ask-{number}.json"
        if not question.exists():
            time.sleep(0.05)
            continue
        answer = _ask(grid, json.loads(question.read_text(encoding="utf-8")))
        part = folder / "answer.part"
        part.write_text(json.dumps(answer), encoding="utf-8")
        part.rename(folder / f"answer-{number}.json")
        number += 1


def _ask(grid: Grid, question: dict) -> dict:
    """Send one message to each node and return what each said, and after how many seconds."""
    content = RecordDict({"arrays": ArrayRecord(), "config": ConfigRecord(question["config"])})
    start = time.time()
    messages = [
        Message(content, dst_node_id=node, message_type=question["kind"], group_id="0")
        for node in question["nodes"]
    ]
    waiting = set(grid.push_messages(messages))
    answers = {}
    while waiting and time.time() - start < question["timeout"]:
        for reply in grid.pull_messages(list(waiting)):
            waiting.discard(reply.metadata.reply_to_message_id)
            if reply.has_error():
                said = {"code": reply.error.code, "reason": reply.error.reason}
            else:
                records = reply.content.config_records
                said = {name: dict(record) for name, record in records.items()}
            answers[str(reply.metadata.src_node_id)] = [time.time() - start, said]
        time.sleep(0.1)
    return {"sent": start, "answers": answers}
