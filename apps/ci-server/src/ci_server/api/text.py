from typing import Annotated

from pydantic import AfterValidator, StringConstraints


def _storable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a text here has printable characters only")
    return text


Text = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_storable)]
