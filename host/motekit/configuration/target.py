"""What a board's configuration shall become: settings typed by a user, or a board's role."""

from collections.abc import Sequence

from motekit.errors import LinkError
from motekit.hello import Hello

from . import paths
from .apply import Target
from .paths import Config, Path, Setting


def of_settings(settings: Sequence[Setting], unset: Sequence[Path]) -> Target:
    """Return what changes some values of whatever a board has."""

    def target(hello: Hello, config: Config) -> Config:
        if not config:
            raise LinkError(f"{hello.device}: its configuration is broken; apply a plan's instead")
        return paths.changed(config, settings, unset)

    return target
