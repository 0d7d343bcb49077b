"""Histograms that name a trace for each of their buckets, as OpenMetrics has it.

prometheus-client keeps no exemplars where it sums worker processes. So each process keeps its own here, and
the one that answers a scrape attaches them to the sums.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from time import time

from prometheus_client import Histogram, Metric
from prometheus_client.samples import Exemplar, Sample
from prometheus_client.utils import floatToGoString

from observability.trace_context import sampled_trace_id

_Bucket = tuple[str, frozenset[tuple[str, str]]]
# As long as there are buckets, and labels do not grow with the data.
_latest: dict[_Bucket, Exemplar] = {}


class TracedHistogram:
    """A histogram of prometheus-client, with the latest sampled trace of each bucket as its exemplar.

    `bounds` are the upper ends of its buckets in ascending order, without infinity.
    """

    def __init__(self, name: str, documentation: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._name = f"{name}_bucket"
        self._labels = tuple(labels)
        self._bounds = (*bounds, math.inf)
        # Looking one up takes longer than observing.
        self._child = cache(Histogram(name, documentation, labels, buckets=bounds).labels)

    def observe(self, value: float, *labels: str) -> None:
        """Count `value` in; the exemplar is the trace of the request under way, if that is sampled."""
        self._child(*labels).observe(value)
        if trace_id := sampled_trace_id():
            bound = floatToGoString(self._bounds[bisect_left(self._bounds, value)])
            told = zip((*self._labels, "le"), (*labels, bound), strict=True)
            _latest[self._name, frozenset(told)] = Exemplar({"trace_id": trace_id}, value, time())


def with_exemplars(metrics: Iterable[Metric]) -> Iterator[Metric]:
    """`metrics`, those of them that are histograms with the exemplars that this process knows."""
    for metric in metrics:
        if _latest and metric.type == "histogram":
            metric.samples = [_with_exemplar(sample) for sample in metric.samples]
        yield metric


def _with_exemplar(sample: Sample) -> Sample:
    return sample._replace(exemplar=_latest.get((sample.name, frozenset(sample.labels.items()))))
