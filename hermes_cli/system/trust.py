"""Whose a file or directory is, and who else may write there: what others can change is not believed.

Not the mode alone decides: under umask 002 everything is writable by a group, which has nobody else in it where each
user has a group of their own. Cheap where nothing is amiss: nobody is looked up.
"""

import os

_ACL = "system.posix_acl_access"  # where there is one, the group bits of the mode are its mask (acl(5))


def writers(path: "str | int", found: os.stat_result) -> str | None:
    """Return who else than the owner, root and the caller may write there, as a person says it, or None."""
    if found.st_mode & 0o002:
        return "everyone"
    if not found.st_mode & 0o020:
        return None
    if _has_acl(path):
        return "whoever its access list names"
    return _others_in(found.st_gid, found.st_uid)


def is_foreign(found: os.stat_result) -> bool:
    """Say whether it belongs to somebody else than the caller and root, who may do anything anyway."""
    return found.st_uid not in {os.geteuid(), 0}


def name_of(uid: int) -> str | None:
    """Return the login name, or None for a uid that has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def home_of(name: str) -> str:
    """Return the home directory of a user who is there."""
    import pwd

    return pwd.getpwnam(name).pw_dir


def _others_in(gid: int, owner: int) -> str | None:
    """Return the group's name if it has another member than the file's owner, the caller and root."""
    import grp
    import pwd

    own = {owner, os.geteuid(), 0}
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        name, members = f"group {gid}", []
    else:
        name, members = f"group {group.gr_name}", group.gr_mem
        owners_name = name_of(owner)
        if group.gr_name == owners_name and not set(members) - {owners_name}:
            return None  # a private group: the name is reserved for it
    if any(_uid(member) not in own for member in members):
        return name
    # A group has as members also those whose first group it is, of whom it has no list.
    return name if any(one.pw_gid == gid and one.pw_uid not in own for one in pwd.getpwall()) else None


def _uid(name: str) -> int | None:
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _has_acl(path: "str | int") -> bool:
    if not hasattr(os, "getxattr"):
        return False
    try:
        return bool(os.getxattr(path, _ACL))
    except OSError:
        return False
