"""Tasks for the VM's frozen asyncio, under the board's clock, and the loop that runs them.

Stands where the C module `_asyncio` does on a board, which reads the machine's clock. A queue is a
linked list sorted by time: a board has a dozen tasks, and most are put near its head.
"""

from . import board, clock, fast

core = None  # asyncio.core, set once it is loaded
_line = None  # what a board in step hears on
_ticks = clock.ticks_ms
_diff = clock.ticks_diff
_skip = fast.skip


def take(asyncio_core):
    """Stand beneath asyncio's core."""
    global core, _line
    core = asyncio_core
    core.max = max  # it has no room for it, and so a search through all names each time
    core.run_until_complete = run_until_complete
    if board.spec["lockstep"]:
        from . import lockstep

        _line = lockstep


def _wait(ms):
    """Wait for input as core does, which takes room for more than is found most times."""
    queue = core._io_queue
    if _line:
        if not queue.poller.wait(ms):
            return
        ms = 0
    queue.wait_io_event(ms)


def run_until_complete(main_task=None):
    """Run tasks until the main one ends, whose result it returns, or nothing is left to do."""
    line = _line
    while True:
        queue = core._task_queue
        task = queue.head
        if task is not None:
            ms = _diff(task.ph_key, _ticks())
            if ms > 0:
                if line is None or line.rx or not _skip(ms):
                    _wait(ms)
                continue
            if line is None or line.rx:
                _wait(0)
        elif core._io_queue.map:
            _wait(-1)
        else:
            core.cur_task = None
            return None
        core.cur_task = task = queue.pop()
        error = task.data
        try:
            if error:
                task.data = None
                task.coro.throw(error)
            else:
                task.coro.send(None)
        except (core.CancelledError, Exception) as ended:
            if task is main_task:
                return _result(ended)
            _end(task, ended, error)


def _result(ended):
    """Return what a coroutine returned, or raise what ended it."""
    core.cur_task = None
    if isinstance(ended, StopIteration):
        return ended.value
    raise ended


def _end(task, ended, error):
    """Settle what follows from the end of a task."""
    queue = core._task_queue
    state = task.state
    if state is None:  # it had ended before, and nobody has asked why
        task.data = error
        core._exc_context["exception"] = error
        core._exc_context["future"] = task
        core.Loop.call_exception_handler(core._exc_context)
    elif state:
        heard = callable(state)
        if heard:
            state(task, ended)
        elif state is not True:
            while state.peek():
                queue.push(state.pop())
                heard = True
        task.state = None if state is True else False
        if not heard and not isinstance(ended, (core.CancelledError, StopIteration)):
            queue.push(task)  # somebody may ask yet
        task.data = ended


class TaskQueue:
    """Tasks by the time at which they are due, first in first out among equals."""

    def __init__(self):
        self.head = None

    def peek(self):
        """Return the first task, None if there is none."""
        return self.head

    def push(self, task, key=None):
        """Add a task that is due at key, now if None."""
        if key is None:
            key = _ticks()
        task.data = None
        task.ph_key = key
        at = self.head
        if at is None or _diff(at.ph_key, key) > 0:
            task.next = at
            self.head = task
            return
        after = at.next
        while after is not None and _diff(after.ph_key, key) <= 0:
            at = after
            after = at.next
        task.next = after
        at.next = task

    def pop(self):
        """Take the first task out."""
        task = self.head
        self.head = task.next
        task.next = None
        return task

    def remove(self, task):
        """Take a task out."""
        if self.head is task:
            self.head = task.next
        else:
            at = self.head
            while at.next is not task:
                at = at.next
            at.next = task.next
        task.next = None


class Task:
    """A coroutine under way.

    `state` is True while it runs unawaited, a TaskQueue of those who await it, None when it ended
    unawaited, False when it ended and somebody knows. `data` is what it waits for or what ended
    it.
    """

    def __init__(self, coro, globals=None):
        self.coro = coro
        self.data = None
        self.state = True
        self.ph_key = 0
        self.next = None

    def __iter__(self):
        if not self.state:
            self.state = False
        elif self.state is True:
            self.state = TaskQueue()
        elif not isinstance(self.state, TaskQueue):
            raise RuntimeError("can't wait")
        return self

    def __next__(self):
        if not self.state:
            if self.data is None:
                raise StopIteration
            raise self.data
        me = core.cur_task
        self.state.push(me)
        me.data = self

    def done(self):
        """Tell whether the task ended."""
        return not self.state

    def cancel(self):
        """Raise CancelledError in the task; False if it ended before."""
        if not self.state:
            return False
        if self is core.cur_task:
            raise RuntimeError("can't cancel self")
        task = self
        while isinstance(task.data, Task):
            task = task.data
        if hasattr(task.data, "remove"):
            task.data.remove(task)
            core._task_queue.push(task)
        elif _diff(task.ph_key, _ticks()) > 0:
            core._task_queue.remove(task)
            core._task_queue.push(task)
        task.data = core.CancelledError
        return True
