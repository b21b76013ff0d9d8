"""Where the parts of one queue lie. Cheap to import: a requester needs no more than this."""


class Directories:
    """The directories below one queue's root, as paths; `queue` says what is in each."""

    __slots__ = ("driver_lock", "holds", "pending", "progress", "rejected", "root", "settled", "staging")

    def __init__(self, root: str) -> None:
        self.root = root
        self.pending = f"{root}/pending"  # THE watched directory: nothing but unsettled records ever appears in it
        self.staging = f"{root}/staging"
        self.settled = f"{root}/settled"
        self.rejected = f"{root}/rejected"
        self.progress = f"{root}/progress"
        self.holds = f"{root}/holds"
        self.driver_lock = f"{root}/driver.lock"

    @property
    def folders(self) -> tuple[str, ...]:
        """Every directory below the root, in the order in which they are made."""
        # staging/ comes last: that it is there, which is all that a requester looks at, says that the others are safe.
        return (self.settled, self.rejected, self.progress, self.holds, self.pending, self.staging)
