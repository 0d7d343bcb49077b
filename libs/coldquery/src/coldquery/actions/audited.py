from collections.abc import Generator, Sequence
from contextlib import contextmanager

from coldquery.actions.context import Context
from coldquery.errors import ColdQueryError
from coldquery.statements.statement import Statement


@contextmanager
def failures_audited(
    context: Context, session_id: str | None, statements: Sequence[Statement | str]
) -> Generator[None]:
    """Tell the audit log of these writes if the body fails, also if it is cancelled."""
    try:
        yield
    except BaseException as failure:
        for statement in statements:
            context.audit.failed(context.caller, session_id, statement, _reason(failure))
        raise


def _reason(failure: BaseException) -> str:
    return failure.message if isinstance(failure, ColdQueryError) else type(failure).__name__
