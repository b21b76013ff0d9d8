"""Classes of `system/values` are what `dataclasses` would have made of the same text."""

import dataclasses
import sys
from functools import cached_property

import pytest

from hermes_cli.system import values

MODULES = pytest.mark.parametrize("made_by", [dataclasses, values], ids=["dataclasses", "values"])


def classes(made_by):
    """The forms that are in use, made by that module."""
    dataclass, field = made_by.dataclass, made_by.field

    @dataclass(frozen=True, slots=True)
    class Base:
        a: int
        b: str = "b"
        rule: str = field(default="", compare=False)

        @property
        def both(self):
            return f"{self.a}{self.b}"

    @dataclass(frozen=True, slots=True)
    class Child(Base):
        c: dict = field(default_factory=dict, hash=False)
        d: Base | None = None

    @dataclass(frozen=True, slots=True)
    class Empty:
        rule: str = field(default="", compare=False)

    @dataclass(slots=True)
    class Changing:
        a: int
        b: list = field(default_factory=list)

    @dataclass(slots=True, eq=False)
    class ByIdentity:
        a: int = 1

    @dataclass(frozen=True)
    class Caching:
        a: int

        @cached_property
        def twice(self):
            return 2 * self.a

    return Base, Child, Empty, Changing, ByIdentity, Caching


def refused(call):
    try:
        call()
    except (AttributeError, TypeError) as error:
        return isinstance(error, AttributeError)
    return False


def behaviour(made_by):
    """Everything that is asked of such classes somewhere, with nothing in it that names the module."""
    base, child, empty, changing, by_identity, caching = classes(made_by)
    one, same, other = base(1), base(a=1, b="b", rule="x"), base(2, "c")
    nested = child(1, d=base(3, "q"))
    changeable = changing(1)
    changeable.a = 5
    changeable.b.append(1)

    def matched(found):
        match found:
            case base(a, b):
                return a, b
        return None

    return [
        (one == same, one == other, one == 1, one == child(1), hash(one) == hash(same), len({one, same, other})),
        (repr(nested), repr(empty()), repr(changeable), one.both, nested.both),
        (empty() == empty("x"), hash(empty()) == hash(empty("x"))),
        (made_by.replace(nested, a=7), made_by.replace(changeable, b=[2]))
        == (child(7, d=base(3, "q")), changing(5, [2])),
        (made_by.asdict(nested), made_by.astuple(nested), made_by.asdict(changeable)),
        [(one.name, one.name == "rule" or one.default) for one in made_by.fields(base)[1:]],
        [one.name for one in made_by.fields(child(1))],
        (child(1).c is child(1).c, matched(other), matched(nested), changing.__hash__),
        (by_identity() == by_identity(), len({by_identity(), by_identity()})),
        (caching(4).twice, caching(4) == caching(4)),
        [
            refused(lambda change=change: change())
            for change in (
                lambda: setattr(one, "a", 2),
                lambda: delattr(one, "a"),
                lambda: setattr(nested, "c", 2),
                lambda: setattr(caching(1), "a", 2),
                lambda: setattr(changeable, "unknown", 1),
                lambda: setattr(changeable, "a", 1),
            )
        ],
        [type(of).__qualname__ for of in (one, nested)],
    ]


def test_a_class_behaves_as_the_standard_librarys_does():
    assert behaviour(values) == behaviour(dataclasses)


@MODULES
@pytest.mark.parametrize("arguments", [((), {}), ((1, 2, 3, 4), {}), ((1,), {"unknown": 2}), ((1,), {"a": 2})])
def test_arguments_that_are_none_of_the_class_are_refused(made_by, arguments):
    base, *_ = classes(made_by)
    base(1)
    with pytest.raises(TypeError):
        base(*arguments[0], **arguments[1])


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="there values are the standard library's")
def test_the_standard_librarys_functions_take_them():
    base, child, *_ = classes(values)
    found = child(1, d=base(2))
    assert all(map(dataclasses.is_dataclass, (child, found)))
    assert dataclasses.replace(found, a=3) == child(3, d=base(2))
    assert dataclasses.asdict(found) == values.asdict(found)
    assert [one.name for one in dataclasses.fields(child)] == ["a", "b", "rule", "c", "d"]
    assert dataclasses.fields(base)[1].default == "b"
