"""When wheels are not enough to install what a project needs."""

FROM_SOURCE = b"\n-- Not all of it is there as wheels; once more, building from source.\n"
"""Said before that is done."""
_REFUSALS = (b"building from source is disabled", b"Building source distributions is disabled")


def needs_building(printed: bytes) -> bool:
    """Whether uv, told not to build anything, could not do without; `printed` is the end of what it printed."""
    return any(refusal in printed for refusal in _REFUSALS)
