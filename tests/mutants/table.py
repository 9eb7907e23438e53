"""All mutants, in the order in which they are run."""

from .drivers import DRIVERS
from .firmware import BOARD, CODEC, LINK
from .host import HOST
from .provision import PROVISION
from .station import STATION
from .wifi import WIFI

MUTANTS = (*DRIVERS, *CODEC, *LINK, *BOARD, *HOST, *PROVISION, *STATION, *WIFI)
