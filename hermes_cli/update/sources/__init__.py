"""Where the code comes from. `find` looks at the installation, `of` at a journal."""

import os

from hermes_cli.config import load, load_or_defaults
from hermes_cli.errors import ConfigError, HermesError
from hermes_cli.paths import Paths
from hermes_cli.update.journal import Journal
from hermes_cli.update.sources import command
from hermes_cli.update.sources.base import Source
from hermes_cli.update.sources.git import checkout
from hermes_cli.update.sources.git.source import WorkTree, is_acceptable
from hermes_cli.update.sources.wheel import extras
from hermes_cli.update.sources.wheel import source as wheel


class GoneError(HermesError):
    """The place that a journal names is not there any more, or was never ours."""


def find(paths: Paths, keep: tuple[int, ...]) -> Source:
    """Return the source of this installation. Raises HermesError if nothing that hermes knows installed it."""
    config = load(paths.config).update
    if config.command:
        if not config.revision:
            raise ConfigError(f"{paths.config}: update.command needs update.revision, which says what is installed")
        return command.ConfiguredCommand(config, keep)
    tables = extras.tables_of(paths.config)
    return wheel.SitePackages.look(config, tables, keep) or WorkTree(checkout.find(keep), tables)


def of(journal: Journal, paths: Paths, keep: tuple[int, ...]) -> Source:
    """Return the source that a journal names, wherever this process runs from. Raises GoneError, HermesError."""
    found = journal.source
    config, tables = load_or_defaults(paths.config).update, extras.tables_of(paths.config)
    if found["kind"] == "git" and is_acceptable(journal):
        package = str(found.get("package"))
        if not os.path.isdir(os.path.dirname(package)):
            raise GoneError(f"{package} is not there any more")
        return WorkTree(checkout.at(package, str(found.get("root")), keep), tables)
    if found["kind"] == "wheel" and (installed := wheel.of(journal, config, tables, keep)) is not None:
        if not os.path.isdir(installed.place):
            raise GoneError(f"{installed.place} is not there any more")
        return installed
    if found["kind"] == "command" and config.command and config.revision:
        return command.ConfiguredCommand(config, keep)
    raise GoneError(f"an update of {found['kind']} that this release does not know")
