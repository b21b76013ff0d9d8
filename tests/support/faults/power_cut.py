"""Every state that a disk may legally be in after a power cut, given the calls that were made before it.

What counts as legal is as weak as POSIX lets a file system be, with one exception (rename):

* data that was written and not fsynced is there, missing, cut short, or zeros; a file's fsync keeps its data only, not
  its name;
* a name that was made, replaced or removed and whose directory was not fsynced is in any of its states since the last
  fsync, independently of every other name: this is loss and reordering in one;
* rename is atomic: the old name never goes without the new one being there; both may be there.

`Disk.states` gives them all, once each.
"""

import copy
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from support.faults.recorded import Call

Tree = dict[str, bytes | None]  # relative path → content; None is a directory


@dataclass(eq=False)
class File:
    """`versions` is the content after each write; everything up to `synced` is on the platter."""

    versions: list[bytes] = field(default_factory=lambda: [b""])
    synced: int = 0

    def contents(self) -> list[bytes]:
        """What may be found in it after a power cut."""
        found = dict.fromkeys(self.versions[self.synced :])
        for version in self.versions[self.synced + 1 :]:
            half = version[: len(version) // 2]
            found |= dict.fromkeys((half, half.ljust(len(version), b"\0"), b"\0" * len(version)))
        return list(found)


@dataclass(eq=False)
class Name:
    """What a name has stood for, in order; everything before `synced` is over."""

    history: list["File | Directory | None"] = field(default_factory=lambda: [None])
    synced: int = 0


@dataclass(eq=False)
class Directory:
    """Names."""

    names: dict[str, Name] = field(default_factory=dict)

    def name(self, name: str) -> Name:
        """The name, also one that was never there."""
        return self.names.setdefault(name, Name())


@dataclass(eq=False)
class Disk:
    """A file system below `root`, with what of it is safe."""

    root: str
    top: Directory = field(default_factory=Directory)
    open: dict[int, "File | Directory"] = field(default_factory=dict)
    renames: list[tuple[Name, int, Name, int]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # lines written to standard output

    @classmethod
    def holding(cls, root: str, tree: Tree) -> "Disk":
        """Everything in `tree` is safe."""
        disk = cls(root)
        for path, content in sorted(tree.items()):
            *parents, last = path.split("/")
            directory = disk.top
            for parent in parents:
                directory = disk._directory(directory, parent)
            entry = Directory() if content is None else File([content])
            directory.names[last] = Name([entry])
        return disk

    def copy(self) -> "Disk":
        """Another one in the same state."""
        return copy.deepcopy(self)

    def after_the_process(self) -> None:
        """The process has ended: its descriptors are closed."""
        self.open.clear()

    # --- what the calls do

    def apply(self, call: Call) -> bool:
        """Do what the call did; whether it concerned this disk, or said something."""
        if call.name == "write" and call.descriptor == 1:
            self.said += call.data.decode().split("\n")[:-1]
            return True
        if call.name in {"write", "pwrite", "fsync", "close", "ftruncate"}:
            return self._by_descriptor(call)
        places = [self._place(path) for path in call.paths]
        if not places or None in places:
            self.open.pop(call.descriptor, None)
            return False
        places = [place for place in places if place is not None]
        return self._by_name(call, places)

    def _by_descriptor(self, call: Call) -> bool:
        entry = self.open.get(call.descriptor)
        if entry is None:
            return False
        if call.name == "close":
            del self.open[call.descriptor]
            return False
        if call.name == "fsync":
            if isinstance(entry, File):
                entry.synced = len(entry.versions) - 1
            else:
                for name in entry.names.values():
                    name.synced = len(name.history) - 1
            return True
        assert isinstance(entry, File)
        if call.name == "write":
            entry.versions.append(entry.versions[-1] + call.data)
            return True
        # In place: the sign of life in a lock, which is of a process that no power cut leaves alive. One state stands for all.
        entry.versions[entry.synced + 1 :] = [call.data]
        return True

    def _by_name(self, call: Call, places: list[tuple[Directory, str]]) -> bool:
        directory, last = places[0]
        name = directory.name(last) if last else Name([directory])
        if call.name == "open":
            entry = name.history[-1]
            made = entry is None
            if made:
                assert "O_CREAT" in call.flags, call
                entry = File()
                name.history.append(entry)
            elif "O_TRUNC" in call.flags and isinstance(entry, File):
                entry.versions.append(b"")
                made = True
            assert entry is not None
            self.open[call.descriptor] = entry
            return made
        if call.name == "mkdir":
            name.history.append(Directory())
        elif call.name in {"unlink", "rmdir"}:
            name.history.append(None)
        elif call.name in {"rename", "link"}:
            target = places[1][0].name(places[1][1])
            target.history.append(name.history[-1])
            if call.name == "rename":
                name.history.append(None)
                self.renames.append((name, len(name.history) - 1, target, len(target.history) - 1))
        else:
            raise AssertionError(f"{call.name} is not modelled")
        return True

    def _place(self, path: str) -> tuple[Directory, str] | None:
        if path == self.root:
            return self.top, ""
        if not path.startswith(f"{self.root}/"):
            return None
        *parents, last = path.removeprefix(f"{self.root}/").split("/")
        directory = self.top
        for parent in parents:
            directory = self._directory(directory, parent)
        return directory, last

    @staticmethod
    def _directory(directory: Directory, name: str) -> Directory:
        found = directory.names[name].history[-1]
        assert isinstance(found, Directory)
        return found

    # --- what there is

    def view(self) -> Tree:
        """What a process sees while the power is on."""
        chosen = {id(name): len(name.history) - 1 for name, _ in self._names(self.top)}
        return next(self._trees(chosen, lambda _: True))

    def states(self, is_unread: Callable[[str], bool] = lambda _: False) -> Iterator[Tree]:
        """Everything that may be found when the power is back, once each.

        A name for which `is_unread` holds is one whose presence and content make no difference to any reader: it is
        left as it was last, wherever that is legal.
        """
        named = [(name, is_unread(path)) for name, path in self._names(self.top)]
        latest = {id(name): len(name.history) - 1 for name, unread in named if unread}
        safe = latest | {id(name): name.synced for name, unread in named if not unread}
        free = [name for name, unread in named if not unread and name.synced < len(name.history) - 1]
        seen = set()
        for combination in itertools.product(*(range(name.synced, len(name.history)) for name in free)):
            chosen = safe | {id(name): index for name, index in zip(free, combination, strict=True)}
            if not self._keeps_renames_whole(chosen, latest):
                continue
            for tree in self._trees(chosen, is_unread):
                key = tuple(sorted(tree.items(), key=lambda item: item[0]))
                if key not in seen:
                    seen.add(key)
                    yield tree

    def _keeps_renames_whole(self, chosen: dict[int, int], latest: dict[int, int]) -> bool:
        for old, gone, new, there in self.renames:
            if id(old) in chosen and id(new) in chosen and chosen[id(old)] >= gone and chosen[id(new)] < there:
                if id(old) not in latest:
                    return False
                chosen[id(old)] = gone - 1
        return True

    def _names(self, directory: Directory, prefix: str = "") -> Iterator[tuple[Name, str]]:
        for last, name in directory.names.items():
            yield name, prefix + last
            for entry in dict.fromkeys(name.history):
                if isinstance(entry, Directory):
                    yield from self._names(entry, f"{prefix}{last}/")

    def _trees(self, chosen: dict[int, int], is_unread: Callable[[str], bool]) -> Iterator[Tree]:
        tree: dict[str, File | None] = {}
        self._walk(self.top, "", chosen, tree)
        files = list(dict.fromkeys(entry for entry in tree.values() if entry is not None))
        read = {entry for path, entry in tree.items() if entry is not None and not is_unread(path)}
        for contents in itertools.product(*(file.contents() if file in read else file.versions[-1:] for file in files)):
            held = dict(zip(files, contents, strict=True))
            yield {path: None if entry is None else held[entry] for path, entry in tree.items()}

    def _walk(self, directory: Directory, prefix: str, chosen: dict[int, int], tree: dict[str, File | None]) -> None:
        for name, entry in directory.names.items():
            found = entry.history[chosen[id(entry)]]
            if isinstance(found, Directory):
                tree[prefix + name] = None
                self._walk(found, f"{prefix}{name}/", chosen, tree)
            elif found is not None:
                tree[prefix + name] = found


def materialise(tree: Tree, root: str) -> None:
    """Make it so below an empty directory."""
    for path, content in sorted(tree.items()):
        if content is None:
            os.mkdir(f"{root}/{path}", 0o700)
            continue
        descriptor = os.open(f"{root}/{path}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        os.write(descriptor, content)
        os.close(descriptor)


def tree_of(root: str) -> Tree:
    """What lies below `root` now."""
    found: Tree = {}
    for folder, folders, files in os.walk(root):
        prefix = os.path.relpath(folder, root) + "/" if folder != root else ""
        found |= dict.fromkeys((prefix + name for name in folders), None)
        for name in files:
            with open(f"{folder}/{name}", "rb") as file:
                found[prefix + name] = file.read()
    return found
