"""Configuration as code: what boards are told to be, compared, changed, moved, and kept safe."""
