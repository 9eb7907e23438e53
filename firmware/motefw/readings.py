"""What each sensor has read lately, for a host that wants to see whether that can be.

Loaded for a request. A block that has just become a packet still holds its first sample.
"""


def readings(board, args):
    """Tell the integers of a late sample of each stream, None for one that is invalid.

    A stream that has none yet has None in its place, as has a sensor that was left out.
    """
    rows = [None] * (len(board.streams) + len(board.left_out))
    for stream in board.streams:
        rows[stream.number] = _sample(stream)
    return {"readings": rows}


def _sample(stream):
    block = stream.block
    if not block or not stream.samples:
        return None
    at = max(block.count - 1, 0)
    return [
        None if block.is_invalid(channel, at) else block.columns[channel][at]
        for channel in range(len(block.columns))
    ]
