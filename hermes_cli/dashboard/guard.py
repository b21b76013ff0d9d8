"""Which requests are answered: those of the page itself, by whoever was given the URL with the token. Pure.

The token is in the URL's fragment, which no browser sends anywhere; the page sends it in a header that no other origin's page can
set without being asked first, and asking is refused. There is no cookie, so nothing is sent by itself.
"""

import hmac
from collections.abc import Mapping

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
LONGEST_BODY = 4096  # bytes


def refusal(method: str, path: str, headers: Mapping[str, str], port: int, token: str) -> tuple[int, str] | None:
    """Return the status and the words with which a request is refused, or None."""
    if headers.get("Host", "") not in {f"127.0.0.1:{port}", f"localhost:{port}"}:
        return 421, "this is not the host that was asked for"  # a name that was pointed here: DNS rebinding
    origin = headers.get("Origin")
    if origin is not None and origin not in {f"http://127.0.0.1:{port}", f"http://localhost:{port}"}:
        return 403, "another origin"
    if headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return 403, "another site"
    if method not in {"GET", "POST"}:
        return 405, "not a method of this page"
    if not path.startswith("/api/"):
        return None if method == "GET" else (405, "not a method of this page")
    scheme, _, given = headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not hmac.compare_digest(given.encode(errors="replace"), token.encode()):
        return 401, "open the URL that hermes gateway dashboard has printed"
    if method == "POST":
        if headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            return 415, "not JSON"
        length = headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LONGEST_BODY:
            return 413, "too long"
    return None
