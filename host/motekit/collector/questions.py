"""What others want to ask a board that is being collected from: its session's thread asks."""

from collections import deque
from concurrent.futures import Future
from typing import Any, NamedTuple

from motekit.client import Client
from motekit.errors import LinkError


class _Question(NamedTuple):
    name: str
    args: dict[str, Any]
    tries: int
    answer: "Future[Any]"


class Questions:
    """Of one board, in their order; each has its answer, or why there is none, in the end."""

    def __init__(self) -> None:
        self._waiting: deque[_Question] = deque()

    def put(self, name: str, args: dict[str, Any], tries: int) -> Future[Any]:
        """Have something asked; may be called from any thread."""
        answer: Future[Any] = Future()
        self._waiting.append(_Question(name, args, tries, answer))
        return answer

    def ask(self, client: Client) -> None:
        """Ask what waits, unless the board is not there."""
        while self._waiting and client.hello is not None and not client.deaf:
            question = self._waiting.popleft()
            try:
                question.answer.set_result(
                    client.request(question.name, question.args, tries=question.tries)
                )
            except LinkError as error:
                question.answer.set_exception(error)

    def give_up(self, port: str) -> None:
        """Tell those who still wait that nobody asks for them any more."""
        while self._waiting:
            question = self._waiting.popleft()
            why = f"{port}: {question.name!r} was not asked: collecting has ended"
            question.answer.set_exception(LinkError(why))
