"""The change of a board's files, over its prompt: all of them or none.

Each new file comes beside the old one, is read back, and last of all comes the word that they are
on trial. Until that stands the board is what it was; from then on each boot of the firmware
carries it out, from wherever power may cut it off. See `motefw.trial`.
"""

import json
from collections.abc import Mapping

from motekit.errors import LinkError
from motekit.prompt.raw import NEW, RawPrompt
from motekit.provision.look import TRIAL, Found, differing
from motekit.provision.wanted import FILES, Wanted

TRY, OLD = ".try", ".old"


def bring(prompt: RawPrompt, found: Found, wanted: Wanted) -> dict[str, object]:
    """Bring what differs, beside what is there; return the word for `commit`."""
    names = differing(found, wanted)
    litter = [f"/{name}{end}" for name in FILES for end in (TRY, OLD, TRY + NEW)]
    litter += ["/config.next", "/config.trial"]  # of `motekit config`, that nobody has kept
    gone = [name for name in litter if name[1:] in found.had]
    trial: dict[str, object] = {
        "step": "apply",
        "files": list(names),
        "had": [name for name in names if name in found.had],
        "mark": wanted.mark(),
    }
    if gone:
        prompt.put({}, gone)
    prompt.put({f"/{name}{TRY}": wanted.files[name] for name in names})
    return trial


def commit(prompt: RawPrompt, trial: Mapping[str, object]) -> None:
    """Put a board on trial: the next boot makes it what was brought."""
    prompt.put({f"/{TRIAL}": json.dumps(trial).encode()})


def undo(prompt: RawPrompt) -> bool:
    """Have the next boot bring back the former files; False if the board is not on trial."""
    data = prompt.read(f"/{TRIAL}")
    if data is None:
        return False
    try:
        trial = json.loads(data)
        commit(prompt, {**trial, "step": "undo"})
    except (ValueError, TypeError) as e:
        raise LinkError(
            f"{prompt.name}: /{TRIAL} on the board is damaged, so what it was is not known; "
            f"motekit flash --erase makes a new board of it"
        ) from e
    return True
