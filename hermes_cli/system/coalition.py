"""macOS: the coalition of a process. launchd ends a job by it, and neither setsid nor a new parent leaves it.

XNU: bsd/sys/proc_info_private.h (flavor 20: two ids, resource first, and three reserved words); any process may ask
about any other. Written from that source; not run on a Mac yet (docs/contributing/macos-probe.md asks for it).
"""

_PROC_PIDCOALITIONINFO = 20
_WORDS = 5


def coalition_of(pid: int) -> int:
    """The id of the resource coalition. Raises OSError when it cannot be told."""
    import ctypes

    library = ctypes.CDLL("/usr/lib/libproc.dylib", use_errno=True)
    found = (ctypes.c_uint64 * _WORDS)()
    size = library.proc_pidinfo(
        ctypes.c_int(pid), ctypes.c_int(_PROC_PIDCOALITIONINFO), ctypes.c_uint64(0), found, ctypes.sizeof(found)
    )
    if size != ctypes.sizeof(found):
        raise OSError(ctypes.get_errno(), f"no coalition of pid {pid}")
    return int(found[0])
