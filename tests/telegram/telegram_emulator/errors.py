"""What the server answers instead of a result."""

from typing import Any


class ApiError(Exception):
    """A refusal, as it goes over the wire."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        found: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        return found | ({"parameters": self.parameters} if self.parameters else {})


def bad(description: str) -> ApiError:
    """400 with the server's prefix."""
    return ApiError(400, f"Bad Request: {description}")


def flood(seconds: int) -> ApiError:
    """429 as the server words it."""
    return ApiError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
