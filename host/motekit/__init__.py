"""Host side of motekit: virtual boards, collecting, storing and querying."""

from motefw import __version__ as __version__
