from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

from dependency_graph.api.media_type import JSON
from dependency_graph.api.otlp import Body
from dependency_graph.api.otlp_json import decode_json
from dependency_graph.api.otlp_protobuf import decode_protobuf
from dependency_graph.api.span_told import SpanTold
from dependency_graph.domain.errors import InvalidServiceId, InvalidSpanId
from dependency_graph.domain.span import Span
from problem_details import Problem

MOST_SPANS = 100_000


@dataclass(slots=True)
class ReceivedSpans:
    """What an export held: spans that tell of calls, the number of those about none, and unusable ones."""

    usable: list[Span] = field(default_factory=list[Span])
    ignored: int = 0
    rejected: Counter[str] = field(default_factory=Counter[str])
    """The number of rejected spans by the reason."""

    @property
    def why_rejected(self) -> str:
        """The most frequent reasons, as a sentence."""
        reasons = [f"{number} as {why}" for why, number in self.rejected.most_common(3)]
        return f"Of {self.rejected.total()} spans that cannot be used: {'; '.join(reasons)}."

    def add(self, told: SpanTold) -> None:
        try:
            span = told.as_span()
        except InvalidSpanId as error:
            self.rejected[str(error)] += 1
        except InvalidServiceId as error:
            self.rejected[f"service.name or the database has no usable name: {error}"] += 1
        else:
            if span:
                self.usable.append(span)
            else:
                self.ignored += 1


def read_spans(body: Body) -> ReceivedSpans:
    """All spans of `body`. It takes up to seconds. Raises NotDecodable, ContentTooLarge and Problem (413)."""
    decode = decode_json if body.media_type == JSON else decode_protobuf
    told = list(islice(decode(body.inflated()), MOST_SPANS + 1))
    if len(told) > MOST_SPANS:
        detail = f"An export has at most {MOST_SPANS:,} spans; send the rest in further requests."
        raise Problem(413, "Too many spans", detail, slug="content-too-large")
    received = ReceivedSpans()
    for span in told:
        received.add(span)
    return received
