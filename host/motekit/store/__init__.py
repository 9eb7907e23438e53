"""The store: one SQLite file that holds packets as they came, and what is needed to read them."""

from .fresh import collecting_into as collecting_into
from .fresh import remove as remove
from .header import Head as Head
from .header import read_header as read_header
from .header import read_headers as read_headers
from .notes import gap_of as gap_of
from .records import Anchor as Anchor
from .records import Appended as Appended
from .records import Epoch as Epoch
from .records import Quarantined as Quarantined
from .records import Received as Received
from .records import Stored as Stored
from .records import Stream as Stream
from .schema import Channel as Channel
from .schema import Schema as Schema
from .succession import Term as Term
from .succession import succeed as succeed
from .summary import DeviceSummary as DeviceSummary
from .summary import StreamSummary as StreamSummary
from .summary import Summary as Summary
from .writer import Store as Store
