"""Collects from boards: a session for each at its port, and one store that takes it all.

pipe -> session (client, intake) -> inbox -> collector -> store
<- acks <-------------------------'
"""

from .collector import Collector, Limits

__all__ = ["Collector", "Limits"]
