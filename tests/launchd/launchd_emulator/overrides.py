"""The labels that are enabled or disabled whatever their plists say. They are on the disk and survive everything."""

import json
from collections.abc import Mapping
from pathlib import Path


class Overrides:
    """The overrides of each domain: label → disabled."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, dict[str, bool]] = json.loads(path.read_text()) if path.exists() else {}

    def of(self, domain: str) -> Mapping[str, bool]:
        """Return all entries of a domain."""
        return self._entries.get(domain, {})

    def set(self, domain: str, label: str, *, disabled: bool) -> None:
        """Store an entry."""
        self._entries.setdefault(domain, {})[label] = disabled
        staged = self._path.with_suffix(".new")
        staged.write_text(json.dumps(self._entries))
        staged.replace(self._path)
