"""JSON that cannot be changed in place: what a board told, where a change would not reach it."""

import copy
from typing import Any, NoReturn, cast


def _refuse(*_: object, **__: object) -> NoReturn:
    raise TypeError(
        "board.config is a copy: to change it in place would not reach the board. "
        "Take one (config = copy.deepcopy(board.config)), change that, "
        "and set it: board.config = config"
    )


class _Table(dict[str, Any]):
    __setitem__ = __delitem__ = __ior__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {key: copy.deepcopy(value, memo) for key, value in self.items()}


class _List(list[Any]):
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = extend = insert = pop = remove = clear = sort = reverse = _refuse

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return [copy.deepcopy(value, memo) for value in self]


def frozen(value: Any) -> Any:
    """Return JSON whose tables and lists refuse a change; `copy.deepcopy` makes them yield."""
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        return _Table({key: frozen(each) for key, each in table.items()})
    if isinstance(value, list):
        return _List(map(frozen, cast("list[Any]", value)))
    return value
