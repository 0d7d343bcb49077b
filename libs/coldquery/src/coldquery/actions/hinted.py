from typing import Any, TypeVar

Answer = TypeVar("Answer")


def hinted(answer: Answer, hint: str | None) -> Answer:
    """`answer`, a TypedDict that may have a `hint`, with it where there is one."""
    told: Any = answer
    if hint:
        told["hint"] = hint
    return answer
