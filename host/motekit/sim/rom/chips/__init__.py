"""Models of the chips: what a driver's bus sees, register by register or frame by frame.

They run on both interpreters, import nothing of the firmware, and are handed what they see and
when: `Adxl345(source, clock_us, options)`, with the options of the sensor for who has use for one.

`clock_us()` is the time in microseconds. The source has `raw` (True: the part's own integers;
False: physical values in the channels' units), `sample(i)` for the i-th sample of a part that
samples by itself (asked once for each i, in order) and `at(t_us)` for one that measures when it is
asked; both return a tuple in the order of the driver's channels, or None after a recording's end.

A model is an I2C part (`write(data)`, `read_into(buf)`; OSError is a missing acknowledge) or a
UART part (`write(data)`, `poll(now_us)`; `due_us`, where it has one: it says nothing before).
`fault(kind, on)` breaks and mends it; `FAULTS` names the kinds. `RATES` are the samples a second
it can do (empty: any), `limits(options)` the lowest and highest raw value of each channel.
`POWER_UP_US` is the time until a part answers, `WARMUP_S` until what it measures is any, where
that is long. A module has the driver's name, its `CHIP` is the model; what several share is in
modules whose names begin with an underscore. One that is a subclass of another module's shares
public names only with it (see shorten.py).
"""


def load(driver):
    """Return the model class for a driver's name, or None where there is no model."""
    try:
        return __import__(__name__ + "." + driver, None, None, ("CHIP",)).CHIP
    except (ImportError, AttributeError):
        return None


class Faults:
    """What can be wrong with a model; the base of all of them."""

    FAULTS = ()

    def __init__(self):
        self.faults = set()

    def fault(self, kind, on=True):
        """Begin or end a fault; ValueError for a kind the part does not have."""
        if kind not in self.FAULTS:
            raise ValueError("fault {}: known are {}".format(kind, ", ".join(self.FAULTS)))
        if on:
            self.faults.add(kind)
        else:
            self.faults.discard(kind)
