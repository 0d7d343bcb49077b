"""The geometric types as PostgreSQL writes them."""

from asyncpg.types import Box, Circle, Line, LineSegment, Path, Point

from coldquery.values.numbers import float_text


def point_text(value: Point) -> str:
    return f"({float_text(value.x)},{float_text(value.y)})"


def line_text(value: Line) -> str:
    return f"{{{','.join(map(float_text, value))}}}"


def segment_text(value: LineSegment) -> str:
    return f"[{_points(value)}]"


def box_text(value: Box) -> str:
    return _points(value)


def path_text(value: Path) -> str:
    return f"({_points(value.points)})" if value.is_closed else f"[{_points(value.points)}]"


def circle_text(value: Circle) -> str:
    # asyncpg gives the centre as a bare tuple.
    return f"<{point_text(Point(*value.center))},{float_text(value.radius)}>"


def _points(points: tuple[Point, ...]) -> str:
    return ",".join(map(point_text, points))
