"""Whether the packages of the extras that config.toml enables are installed.

Before a restart and after an update all of them must be there (rule 10). A start goes on without Telegram's client, which
it needs only once it is ready: a gateway without its bot, which `status` names, is better than none.
"""

import sys

from hermes_cli.config import Config
from hermes_cli.errors import ConfigError
from hermes_cli.gateway import tls


def check(path: str, config: Config, *, ahead: bool = False) -> None:
    """Import what the configuration enables, with `ahead` also what a start leaves for later.

    Raises ConfigError with the command that installs what is missing.
    """
    enabled = [name for name, is_on in (("telegram", config.telegram.is_on), ("model", config.model.is_on)) if is_on]
    if not enabled:
        return
    tls.check(path)
    try:
        if "telegram" in enabled:
            import hermes_cli.gateway.channels.telegram.channel

            if ahead:
                import hermes_cli.gateway.channels.telegram.api
                import hermes_cli.gateway.channels.telegram.outbox
                import hermes_cli.gateway.channels.telegram.poll
        if "model" in enabled:
            import hermes_cli.gateway.agents.model.agent  # noqa: F401  imported to see that it can be
    except ImportError as error:
        if (error.name or "").startswith("hermes_cli"):
            raise
        wanted = f"hermes-gateway[{','.join(enabled)}]"
        raise ConfigError(
            f"{path}: [{enabled[0]}] needs the package {error.name}: {sys.executable} -m pip install '{wanted}'"
        ) from None
