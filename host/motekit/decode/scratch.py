"""Large tables that live from one call to the next, one set a thread.

Memory fresh from the operating system costs a page fault every 4 KiB, which would be a third of
the time of decoding.
"""

import threading
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_local = threading.local()
Scalar = TypeVar("Scalar", bound=np.generic)


def array(name: str, shape: tuple[int, ...], dtype: type[Scalar]) -> NDArray[Scalar]:
    """Return an array that shares its memory with all earlier ones of that name; not cleared."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    buffers: dict[str, NDArray[np.uint8]] = _local.__dict__
    if name not in buffers or len(buffers[name]) < size:
        buffers[name] = np.empty(size + size // 4, np.uint8)
    return buffers[name][:size].view(dtype).reshape(shape)
