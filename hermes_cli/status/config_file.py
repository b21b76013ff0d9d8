"""config.toml as a text that is changed in one place and nowhere else. The only module that imports tomlkit."""

import os
import re
import shutil
import stat
from collections.abc import Callable
from typing import Any

import tomlkit
import tomlkit.exceptions
from tomlkit.items import Table

from hermes_cli import config
from hermes_cli.errors import ConfigError
from hermes_cli.system import durable


def change(path: str, edit: Callable[[tomlkit.TOMLDocument], bool], *, mends: bool = False) -> bool:
    """Change the file; say whether that changed anything. Raises ConfigError, and the file stays, if it would be wrong.

    `mends`: a file that is wrong already may stay so, for what is wrong with it is taken out step by step.
    """
    place = os.path.realpath(path)
    text, mode = _read(place)
    try:
        document = tomlkit.parse(text)
    except (tomlkit.exceptions.TOMLKitError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML ({error}): edit {path}") from None
    if not edit(document):
        return False
    changed = tomlkit.dumps(document)
    if not (mends and fault(path)):
        config.parse(path, changed.encode())
    durable.make_private_directory(os.path.dirname(place))
    durable.publish_text(place, changed, mode)
    return True


def put(document: tomlkit.TOMLDocument, section: str, name: str, value: Any) -> bool:
    """Write a value; a section that is missing comes at the end."""
    if section not in document:
        if document.as_string() and not document.as_string().endswith("\n"):
            document.add(tomlkit.nl())
        document[section] = tomlkit.table()
    table = document[section]
    if not isinstance(table, Table):
        raise ConfigError(f"[{section}] is not written as a table of its own: edit the file")
    table[name] = value
    return True


def take_out(document: tomlkit.TOMLDocument, section: str, name: str) -> bool:
    """Take a value out, or with an empty name a section or bare key; say whether it was there."""
    if not name:
        return document.pop(section, None) is not None
    table = document.get(section)
    return hasattr(table, "pop") and table.pop(name, None) is not None  # type: ignore[union-attr]  # hasattr has asked


def value_of(text: str, default: Any) -> Any:
    """Return what is meant by a word of the command line: TOML, or where a string belongs the word itself."""
    try:
        value = tomlkit.parse(f"value = {text}\n").unwrap()["value"]  # a true or false alone has no unwrap()
    except (tomlkit.exceptions.TOMLKitError, RecursionError, KeyError):
        return text
    return text if isinstance(default, str) and not isinstance(value, str) else value


def fault(path: str) -> dict[str, Any] | None:
    """Return what is wrong with the file, with line and column where they are known; None if nothing is."""
    try:
        config.load(path)
    except ConfigError as error:
        text = str(error)
        line, column = _place(path, text)
        return {"text": text, "line": line, "column": column}
    return None


def idle(path: str) -> dict[str, Any] | None:
    """Return which value cannot do what it is for, as `fault` does, of a file that is right otherwise; or None."""
    found = config.load(path)
    why = None
    if shutil.which(found.terminal.shell) is None:
        why = f"terminal.shell: {found.terminal.shell} cannot be run"
    elif found.update.command and not found.update.revision:
        why = "update.command needs update.revision, which prints what is installed"
    if why is None:
        return None
    line, column = _place(path, f"{path}: {why}")
    return {"text": f"{path}: {why}", "line": line, "column": column}


def _place(path: str, text: str) -> tuple[int | None, int | None]:
    """Find where the file has what an error's text is about."""
    at = re.search(r"at line (\d+), column (\d+)", text)
    if at:
        return int(at[1]), int(at[2])
    named = re.match(r"\[?([\w-]+)(?:\.([\w-]+))?", text.removeprefix(f"{path}: "))
    try:
        lines = _read(path)[0].split("\n")
    except ConfigError:
        return None, None
    if "(at end of document)" in text:
        return len(lines), len(lines[-1]) + 1
    if not text.startswith(f"{path}: ") or named is None:
        return None, None
    section, name = named[1], named[2]
    current = ""
    for number, line in enumerate(lines, 1):
        header = re.match(r"\s*\[\s*([\w-]+)", line)
        if header:
            current = header[1]
            if current == section and name is None:
                return number, header.start(1) + 1
        key = re.match(r"\s*\"?([\w.-]+)\"?\s*=", line)
        if key and (
            (key[1] == (name or section) and (name is None or current == section)) or key[1] == f"{section}.{name}"
        ):
            return number, key.start(1) + 1
    return None, None


def _read(path: str) -> tuple[str, int]:
    """Return the text, and the mode that it is written with again."""
    try:
        with open(path, encoding="utf-8", newline="", opener=durable.prompt_opener) as file:
            return file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return "", 0o600
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigError(f"{path} cannot be read ({why}): edit or remove it") from None
