"""What is used of `dataclasses`, at a tenth of what that costs at each start.

The standard library compiles up to nine functions for each class: 0.7 ms on Python 3.11, for a hundred classes longer than
everything else that a gateway does before it is ready, and it imports `inspect` to do so. Here a class costs 0.04 ms: what can
be said once for all classes is, and `__init__` is compiled when the first object is made. For a type checker, and from Python
3.14 on, where annotations have become functions, this is the standard library's; `dataclasses.replace`, `fields` and `asdict`
take these classes, too.
"""

import sys
from operator import attrgetter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MISSING: "Any" = object()
_FIELDS = "__hermes_fields__"


class Field:
    """One field of a class. `default` is _MISSING where there is none."""

    __slots__ = ("compare", "default", "factory", "hash", "name")

    def __init__(self, default: "Any", factory: "Any", *, compare: bool, hash: bool | None) -> None:  # noqa: A002  as in dataclasses
        self.name = ""
        self.default = default
        self.factory = factory
        self.compare = compare
        self.hash = compare if hash is None else hash


def _field(
    *,
    default: "Any" = _MISSING,
    default_factory: "Any" = _MISSING,
    compare: bool = True,
    hash: bool | None = None,  # noqa: A002
) -> "Any":
    return Field(default, default_factory, compare=compare, hash=hash)


def _dataclass(cls: "Any" = None, /, *, frozen: bool = False, slots: bool = False, eq: bool = True) -> "Any":
    if cls is None:
        return lambda decorated: _made(decorated, frozen=frozen, slots=slots, eq=eq)
    return _made(cls, frozen=frozen, slots=slots, eq=eq)


def _made(cls: type, *, frozen: bool, slots: bool, eq: bool) -> type:
    found: dict[str, Field] = {}
    for base in cls.__mro__[:0:-1]:
        found.update(base.__dict__.get(_FIELDS, {}))
    own = cls.__dict__.get("__annotations__", {})  # noqa: RUF063  inspect is what must not be imported
    for name in own:
        default = cls.__dict__.get(name, _MISSING)
        one = default if type(default) is Field else Field(default, _MISSING, compare=True, hash=None)
        one.name = name
        found[name] = one
    made = _with_slots(cls, own) if slots else cls
    for name in own if not slots else ():
        if found[name].default is not _MISSING:
            setattr(made, name, found[name].default)
        elif name in made.__dict__:
            delattr(made, name)
    for name, value in _members(made, found, frozen=frozen, eq=eq).items():
        if name not in made.__dict__ or name == "__hash__":
            setattr(made, name, value)
    return made


def _with_slots(cls: type, own: "dict[str, Any]") -> type:
    """Return the class anew: slots must be there when a class is made."""
    left = {name: value for name, value in cls.__dict__.items() if name not in {*own, "__dict__", "__weakref__"}}
    made = type(cls)(cls.__name__, cls.__bases__, {**left, "__slots__": tuple(own)})
    made.__qualname__ = cls.__qualname__
    return made


def _members(made: type, found: "dict[str, Field]", *, frozen: bool, eq: bool) -> "dict[str, Any]":
    members: dict[str, Any] = {
        _FIELDS: found,
        "__dataclass_fields__": _Standard(),
        "__match_args__": tuple(found),
        "__init__": _until_the_first(made),
        "__repr__": _repr,
    }
    if eq:
        members["__eq__"] = _equal(_values_of([one.name for one in found.values() if one.compare]))
        members["__hash__"] = None
    if eq and frozen:
        members["__hash__"] = _hash(_values_of([one.name for one in found.values() if one.hash]))
    if frozen:
        members["__setattr__"] = members["__delattr__"] = _refuse
    return members


def _until_the_first(cls: "Any") -> "Callable[..., None]":
    def __init__(self: "Any", /, *values: "Any", **named: "Any") -> None:  # noqa: N807  it becomes the method
        made = cls.__init__ = _compiled(cls)
        made(self, *values, **named)

    return __init__


def _compiled(cls: type) -> "Callable[..., None]":
    given: dict[str, Any] = {"_MISSING": _MISSING, "_set": object.__setattr__}
    arguments, body = [], []
    for name, one in cls.__dict__[_FIELDS].items():
        if one.factory is not _MISSING:
            given[f"_made_{name}"] = one.factory
            arguments.append(f"{name}=_MISSING")
            value = f"_made_{name}() if {name} is _MISSING else {name}"
        elif one.default is not _MISSING:
            given[f"_default_{name}"] = one.default
            arguments.append(f"{name}=_default_{name}")
            value = name
        else:
            arguments.append(name)
            value = name
        slot = getattr(cls, name, None)
        if type(slot).__name__ == "member_descriptor":  # past the refusal of a frozen class
            given[f"_set_{name}"] = slot.__set__  # type: ignore[union-attr]  # as every such descriptor has
            body.append(f"    _set_{name}(self, {value})")
        else:
            body.append(f"    _set(self, {name!r}, {value})")
    # Nothing but names of fields is in the text: a keyword or an operator would be no name.
    exec(f"def __init__(self, {', '.join(arguments)}):\n" + "\n".join(body or ["    pass"]), given)  # noqa: S102
    made: Callable[..., None] = given["__init__"]
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    return made


def _values_of(names: "list[str]") -> "Callable[[Any], Any]":
    return attrgetter(*names) if names else lambda _: ()


def _equal(values: "Callable[[Any], Any]") -> "Callable[[Any, Any], bool]":
    def __eq__(self: "Any", other: object, /) -> bool:  # noqa: N807  it becomes the method
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _hash(values: "Callable[[Any], Any]") -> "Callable[[Any], int]":
    def __hash__(self: "Any", /) -> int:  # noqa: N807  it becomes the method
        return hash(values(self))

    return __hash__


def _repr(self: "Any") -> str:
    return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self.__match_args__)})"


def _refuse(self: "Any", name: str, _: object = None) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be changed")


class _Standard:
    """`__dataclass_fields__` for who uses the standard library's functions: made when it is asked for."""

    def __get__(self, _: object, cls: type) -> "dict[str, Any]":
        from dataclasses import MISSING, make_dataclass
        from dataclasses import field as standard

        specified = [
            (
                one.name,
                object,
                standard(
                    default=MISSING if one.default is _MISSING else one.default,
                    default_factory=MISSING if one.factory is _MISSING else one.factory,
                    compare=one.compare,
                    hash=one.hash,
                ),
            )
            for one in getattr(cls, _FIELDS).values()
        ]
        made: Any = make_dataclass(cls.__name__, specified, init=False, repr=False)
        found: dict[str, Any] = made.__dataclass_fields__
        return found


def _fields(of: "Any") -> "tuple[Field, ...]":
    return tuple(getattr(of, _FIELDS).values())


def _replace(of: "Any", /, **changes: "Any") -> "Any":
    return type(of)(**{name: getattr(of, name) for name in of.__match_args__} | changes)


def _asdict(of: "Any") -> "dict[str, Any]":
    return {name: _plain(getattr(of, name), _asdict) for name in of.__match_args__}


def _astuple(of: "Any") -> "tuple[Any, ...]":
    return tuple(_plain(getattr(of, name), _astuple) for name in of.__match_args__)


def _plain(value: "Any", whole: "Callable[[Any], Any]") -> "Any":
    if hasattr(type(value), _FIELDS):
        return whole(value)
    if type(value) in {list, tuple}:
        return type(value)(_plain(one, whole) for one in value)
    return {key: _plain(one, whole) for key, one in value.items()} if type(value) is dict else value


if TYPE_CHECKING or sys.version_info >= (3, 14):
    from dataclasses import asdict, astuple, dataclass, field, fields, replace
else:
    asdict, astuple, dataclass, field, fields, replace = _asdict, _astuple, _dataclass, _field, _fields, _replace

__all__ = ["asdict", "astuple", "dataclass", "field", "fields", "replace"]
