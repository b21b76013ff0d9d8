"""Which commands a person looks at before they run: those that may destroy more than their turn is about.

A net for accidents, and no wall: a program can hide what it does. Who may use the terminal at all is decided before.
"""

import functools
import re

_START = r"(?:^|[;&|(){}`\n]|\$\(|\b(?:sudo|doas|exec|nohup|time|xargs|env|then|else|do)\s)\s*(?:\S*/)?"
_RULES: tuple[tuple[str, str], ...] = (
    (_START + r"(?:sudo|doas|su|pkexec)\b", "it becomes another user"),
    (_START + r"rm\s+(?:\S+\s+)*?-(?:\w*[rRf]|-recursive|-force)", "it removes files without asking"),
    (_START + r"(?:find\b[^;&|\n]*\s-delete\b|find\b[^;&|\n]*-exec\s+(?:\S*/)?rm\b)", "it removes whatever it finds"),
    (_START + r"(?:mkfs(?:\.\w+)?|wipefs|fdisk|parted|sgdisk|shred|blkdiscard)\b", "it overwrites a disk or a file"),
    (_START + r"dd\b[^;&|\n]*\bof=", "it overwrites a file or a disk"),
    (r">\s*/dev/(?:sd|hd|vd|nvme|mmcblk|disk)", "it writes to a disk"),
    (
        _START + r"(?:chmod|chown|chgrp)\s+(?:\S+\s+)*?-(?:\w*R|-recursive)",
        "it changes the rights of whole directories",
    ),
    (_START + r"(?:shutdown|reboot|halt|poweroff|init\s+[06])\b", "it ends the machine"),
    (_START + r"(?:kill|pkill|killall)\b", "it ends processes"),
    (
        _START + r"(?:systemctl|launchctl|service)\s+(?:\S+\s+)*?(?:stop|disable|mask|bootout|remove|unload)\b",
        "it ends services",
    ),
    (_START + r"(?:hermes|hermesctl)\s+(?:\S+\s+)*?(?:uninstall|stop|release)\b", "it takes the gateway away"),
    (
        _START
        + r"(?:hermes|hermesctl)\s+(?:\S+\s+)*?(?:pairing\s+(?:approve|revoke)|config\s+(?:un)?set\s+telegram)\b",
        "it changes who may write to the bot",
    ),
    (_START + r"(?:curl|wget)\b[^;&\n]*\|\s*(?:sudo\s+)?(?:\S*/)?(?:ba|z|da|k)?sh\b", "it runs what it downloads"),
    (_START + r"(?:ba|z|da|k)?sh\s+<\(\s*(?:curl|wget)\b", "it runs what it downloads"),
    (
        _START + r"git\s+(?:\S+\s+)*?(?:push\s+(?:\S+\s+)*?(?:-f\b|--force)|reset\s+--hard|clean\s+-\w*[fdx])",
        "it throws away work",
    ),
    (_START + r"crontab\s+(?:\S+\s+)*?-\w*r", "it removes all timed jobs"),
    (r":\s*\(\s*\)\s*\{.*:\s*\|\s*:", "it starts processes without end"),
    (r"(?i)\b(?:drop\s+(?:table|database|schema)|truncate\s+table)\b", "it removes data from a database"),
)


@functools.cache
def _compiled() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return the rules, compiled when the first command comes: that takes longer than all the rest of a start."""
    return tuple((re.compile(pattern), why) for pattern, why in _RULES)


def danger(command: str) -> str | None:
    """Return what is dangerous about a command of the shell, or None."""
    plain = re.sub(r"\\\n|['\"\\]", "", command)  # what the shell takes away: 'rm' and r\m are rm
    return next((why for pattern, why in _compiled() if pattern.search(plain)), None)
