"""A plugin for pytest: a failing example is enough, no time is spent on making it small."""

from hypothesis import Phase, settings

settings.register_profile(
    "unshrunk", phases=(Phase.explicit, Phase.generate), database=None, print_blob=False
)
settings.load_profile("unshrunk")
