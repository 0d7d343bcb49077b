import math
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from dependency_graph.domain.errors import SourceFailed

Labels = tuple[str, str, str]
"""The client, the server and the connection type; a label that is not there is empty."""


def _finite(value: tuple[float, float] | None) -> tuple[float, float] | None:
    return value if value and math.isfinite(value[1]) else None


class _Sample(BaseModel):
    metric: dict[str, str]
    # Of a sample that is a histogram there is no single value.
    # Pydantic lets other threads go on only while it calls Python, which this makes it do for each sample.
    value: Annotated[tuple[float, float] | None, AfterValidator(_finite)] = None


class _Vector(BaseModel):
    result_type: Literal["vector"] = Field(alias="resultType")
    result: list[_Sample]


class VectorAnswer(BaseModel):
    """What Prometheus answers to an instant query; what else it tells is left alone."""

    status: Literal["success"]
    data: _Vector
    warnings: list[str] | None = None

    @classmethod
    def parse(cls, body: bytes, metric: str) -> "VectorAnswer":
        """Raises SourceFailed."""
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            raise SourceFailed(
                f"What answered the query for {metric} is no vector of samples; check that PROMETHEUS_URL is "
                "the address of a Prometheus, and what stands between."
            ) from None

    def values(self) -> dict[Labels, float | None]:
        """The values by their labels; None is one that is not a finite number."""
        return dict(self._values())

    def _values(self) -> Iterator[tuple[Labels, float | None]]:
        for sample in self.data.result:
            labels = sample.metric
            key = (labels.get("client", ""), labels.get("server", ""), labels.get("connection_type", ""))
            yield key, sample.value[1] if sample.value else None
