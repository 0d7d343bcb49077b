import json

TEXT_BYTES = 2048
"""What a Coder agent keeps of what a script prints."""

# Ends of lines that JSON has as they are.
_LINE_ENDS = str.maketrans({end: f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"})


def as_text(value: object) -> str:
    """The bare value in one line of at most `TEXT_BYTES` of UTF-8, cut at a character boundary.

    Null is empty, and white space in a text, line ends too, is a single space; all else is compact JSON.
    """
    match value:
        case None:
            line = ""
        case str():
            line = " ".join(value.split())
        case _:
            line = json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_LINE_ENDS)
    # A character that is no character is one question mark, and no reason to fail.
    return line.encode(errors="replace")[:TEXT_BYTES].decode(errors="ignore")
