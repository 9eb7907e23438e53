"""A bench where boards are plugged and unplugged all day, and each becomes one of a fleet.

watch (which ports are there) -> desk (what to begin, pure) -> run (threads) -> steps (flash, ...)
                                             |                                        |
                                           screen                                  journal
"""
