"""`hermes config`: the settings in config.toml, read and changed by name."""

import json
from typing import Any

import click

from hermes_cli import config
from hermes_cli.cli.completion import complete_settings
from hermes_cli.errors import ConfigError, UsageError
from hermes_cli.paths import Paths


@click.command()
@click.argument("key", metavar="SECTION.NAME", shell_complete=complete_settings)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def get(paths: Paths, key: str, *, as_json: bool) -> None:
    """Print the value that holds: the one in config.toml, or the default."""
    section, name = _known(key)
    value = getattr(getattr(config.load(paths.config), section), name)
    click.echo(json.dumps(value) if as_json else _plain(value))


@click.command("set")
@click.argument("key", metavar="SECTION.NAME", shell_complete=complete_settings)
@click.argument("value", metavar="VALUE")
@click.pass_obj
def set_(paths: Paths, key: str, value: str) -> None:
    """Write a setting into config.toml; its comments and everything else stay as they are.

    VALUE is written as in TOML: 30, true, ["a", "b"]; a string may do without its quotes. What a gateway or
    command would refuse is not written.
    """
    from hermes_cli.status import config_file

    section, name = _known(key)
    default = getattr(getattr(config.Config(), section), name)
    parsed = config_file.value_of(value, default)
    config_file.change(paths.config, lambda document: config_file.put(document, section, name, parsed))
    _say_when(paths, key)


@click.command()
@click.argument("key", metavar="SECTION.NAME", shell_complete=complete_settings)
@click.pass_obj
def unset(paths: Paths, key: str) -> None:
    """Take a setting out of config.toml, so that its default holds. It need not be one of ours."""
    from hermes_cli.status import config_file

    section, _, name = key.partition(".")
    if not config_file.change(paths.config, lambda document: config_file.take_out(document, section, name), mends=True):
        click.echo(f"{key} was not set")
        return
    _say_when(paths, key, "taken out")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts; the format is in docs/status-json.md.")
@click.pass_obj
def validate(paths: Paths, *, as_json: bool) -> int:
    """Say whether config.toml is right.

    Exit code: 0 it is, or there is none, 78 it is not.
    """
    from hermes_cli.status import config_file

    error = config_file.fault(paths.config) or config_file.idle(paths.config)
    if as_json:
        click.echo(json.dumps({"schema": 1, "path": paths.config, "valid": error is None, **(error or {})}, indent=2))
        return ConfigError.exit_code if error else 0
    if error is not None:
        place = f" (line {error['line']}, column {error['column']})" if error["line"] else ""
        raise ConfigError(f"{error['text']}{place}")
    click.echo(f"{paths.config} is valid")
    return 0


@click.command()
@click.pass_obj
def path(paths: Paths) -> None:
    """Print where config.toml is, whether or not there is one."""
    click.echo(paths.config)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts; the format is in docs/status-json.md.")
@click.pass_obj
def show(paths: Paths, *, as_json: bool) -> None:
    """Show every setting with the value that holds, as a config.toml; what is a default is a comment."""
    found, defaults = config.load(paths.config), config.Config()
    if as_json:
        settings = {section: _values(getattr(found, section)) for section in _sections()}
        click.echo(json.dumps({"schema": 1, "path": paths.config, "settings": settings}, indent=2))
        return
    for number, section in enumerate(_sections()):
        click.echo(f"{chr(10) if number else ''}[{section}]")
        for name, value in _values(getattr(found, section)).items():
            is_default = value == getattr(getattr(defaults, section), name)
            click.echo(f"{'# ' if is_default else ''}{name} = {_toml(value)}")


def _sections() -> list[str]:
    return list(config.Config._fields)


def _values(section: Any) -> dict[str, Any]:
    values: dict[str, Any] = section._asdict()
    return values


def _known(key: str) -> tuple[str, str]:
    """Return section and name of a setting. Raises UsageError, with what was perhaps meant."""
    from difflib import get_close_matches

    section, dot, name = key.partition(".")
    known = [f"{one}.{entry}" for one in _sections() for entry in _values(getattr(config.Config(), one))]
    if dot and key in known:
        return section, name
    close = get_close_matches(key, known, n=2) or [one for one in known if one.partition(".")[2] == key]
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    raise UsageError(f"{key} is not a setting{hint}: see hermes config show")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else _toml(value)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    return json.dumps(value, ensure_ascii=False)


def _say_when(paths: Paths, key: str, done: str = "written") -> None:
    from hermes_cli import mends

    click.echo(mends.shown(f"{key}: {done}; a running gateway has it after hermes gateway restart", paths.profile))
