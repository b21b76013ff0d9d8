"""The endpoint's key: from a file or a variable, and in nobody's environment afterwards."""

from hermes_cli import credentials
from hermes_cli.config import ModelConfig
from hermes_cli.credentials import CredentialError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping


def claim(config: ModelConfig, environment: "MutableMapping[str, str]") -> str | CredentialError:
    """Return the key, "" where none is configured, or why it cannot be had: the gateway starts all the same."""
    if not (config.key_file or config.key_env):
        return ""
    try:
        return credentials.claim(config.key_file, config.key_env, environment)
    except CredentialError as error:
        return error
