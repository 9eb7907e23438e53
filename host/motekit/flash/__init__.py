"""What lies in a board's flash, byte by byte: images, partition table, file system.

Bytes in, values out. The flasher writes with it, virtual chips check by it what was written.
"""
