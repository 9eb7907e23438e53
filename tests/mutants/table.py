"""All mutants, in the order in which they are run."""

from .drivers import DRIVERS
from .firmware import BOARD, CODEC, LINK
from .host import HOST
from .station import STATION

MUTANTS = (*DRIVERS, *CODEC, *LINK, *BOARD, *HOST, *STATION)
