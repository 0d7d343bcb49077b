from collections.abc import Iterable


def prefers_text(accept: Iterable[str]) -> bool:
    """Whether a client that sent these `Accept` lines would rather have plain text than JSON (RFC 9110)."""
    ranges = [part for line in accept for part in line.lower().split(",")]
    qualities = dict(map(_weighed, ranges))
    return _quality(qualities, "text/plain") > _quality(qualities, "application/json")


def _weighed(media_range: str) -> tuple[str, float]:
    name, *parameters = (part.strip() for part in media_range.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


def _quality(qualities: dict[str, float], media_type: str) -> float:
    family = f"{media_type.partition('/')[0]}/*"
    return next((qualities[name] for name in (media_type, family, "*/*") if name in qualities), 0.0)
