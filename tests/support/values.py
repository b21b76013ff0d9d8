"""Values with other fields, whichever kind of frozen value they are: a NamedTuple, or a dataclass."""

import dataclasses
from typing import Any, TypeVar

_Value = TypeVar("_Value")


def replace(value: _Value, **changes: Any) -> _Value:
    """Return the value with these fields changed."""
    if isinstance(value, tuple):
        return value._replace(**changes)  # type: ignore[attr-defined,no-any-return]  # a NamedTuple
    return dataclasses.replace(value, **changes)  # type: ignore[type-var]  # a dataclass
