from collections.abc import AsyncIterator, Sequence

from dependency_graph.application.queries import WholeGraph

_BETWEEN = ",\n"


async def write_json(graph: WholeGraph) -> AsyncIterator[str]:
    """`{"generation", "nodes", "edges"}`, a line for each node and each edge."""
    yield f'{{"generation":{graph.generation},\n"nodes":[\n'
    async for text in _listed(graph.nodes()):
        yield text
    yield '],\n"edges":[\n'
    async for text in _listed(graph.edges()):
        yield text
    yield "]}\n"


async def _listed(pieces: AsyncIterator[Sequence[str]]) -> AsyncIterator[str]:
    before = ""
    async for rows in pieces:
        yield before + _BETWEEN.join(rows)
        before = _BETWEEN
