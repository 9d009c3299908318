"""The ``local`` runtime: Flower's ``Grid`` in process, without an engine to start.

A message goes straight to the ``ClientApp`` and the reply straight back, one bank after the other
and only when the reply is asked for, so that neither all messages nor all replies are held.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping

from flwr.app import Context, Message, RecordDict
from flwr.app.user_config import UserConfig
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

SERVER_NODE = 1
_RUN_ID = 1


class InProcessGrid(Grid):
    """A grid whose nodes are called in process.

    Parameters
    ----------
    client_app : ClientApp
        Answers for all nodes.
    nodes : mapping of int to UserConfig
        Node configuration by node id.
    shuffle : int or None, default=None
        Seed of a random order of arrival, for tests of order independence.
    """

    def __init__(
        self, client_app: ClientApp, nodes: Mapping[int, UserConfig], shuffle: int | None = None
    ) -> None:
        # Flower builds messages from the identity of the task that runs in this process.
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, _RUN_ID, SERVER_NODE
        self._client_app = client_app
        self._contexts = {
            node: Context(_RUN_ID, node, UserConfig(config), RecordDict(), UserConfig())
            for node, config in nodes.items()
        }
        self._shuffle = None if shuffle is None else random.Random(shuffle)
        self._run: Run | None = None
        self._pushed: dict[str, Message] = {}
        self._count = 0

    def set_run(self, run: Run) -> None:
        """Set the run; the local runtime has only one."""
        self._run = run

    @property
    def run(self) -> Run:
        """The run."""
        return self._run or Run.create_empty(_RUN_ID)

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Create a message; see :class:`flwr.serverapp.Grid`."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """Return the node ids."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Take messages; they are answered when their replies are pulled."""
        ids = []
        for message in messages:
            self._count += 1
            # Metadata has no setter; Flower's own grids write the identifier like this.
            message.metadata.__dict__["_message_id"] = str(self._count)
            self._pushed[str(self._count)] = message
            ids.append(str(self._count))
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Answer pushed messages."""
        return [self._answer(self._pushed.pop(key)) for key in message_ids if key in self._pushed]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterator[Message]:
        """Yield replies one by one; nothing is asked before its reply is wanted.

        Calls in process cannot be cut short, so ``timeout`` has no effect.
        """
        if self._shuffle is not None:
            messages = list(messages)
            self._shuffle.shuffle(messages)
        for message in messages:
            yield self._answer(message)

    def _answer(self, message: Message) -> Message:
        return self._client_app(message, self._contexts[message.metadata.dst_node_id])
