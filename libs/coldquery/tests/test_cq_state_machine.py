import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import asyncpg
import pytest
from cq_connections import OTHER, SOON, WRITER, Clock, kill_backends, more, read, states, value, write
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coldquery.connections.owner import Connections
from coldquery.errors import NoSuchSession, Refused, SessionLost, StatementFailed, TooManySessions
from coldquery.limits import Limits

LIMITS = Limits(max_sessions=3, reserved=4, wait_seconds=20)
NAMES = st.sampled_from(["one", 'two "quoted"'])
PAGE = 3


@dataclass
class Expected:
    """What a session should be."""

    id: str
    pid: int
    read_only: bool
    written: list[int] = field(default_factory=list)
    savepoints: list[tuple[str, int]] = field(default_factory=list)
    failed: bool = False
    killed: bool = False


class ManySessions(RuleBasedStateMachine):
    """Sessions, reads, writes, cursors and losses in any order, against a model of the rows of one table."""

    sessions = Bundle[Expected]("sessions")
    cursors = Bundle[tuple[str, list[int]]]("cursors")

    def __init__(self, url: str) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._clock = Clock()
        self._connections = Connections({"dsn": url}, LIMITS, clock=self._clock)
        self._open = dict[str, Expected]()
        self._committed = set[int]()
        self._next = 0
        self._kept: list[str] = []
        self._admin: asyncpg.Connection = self._run(asyncpg.connect(url))
        self._run(self._admin.execute("DROP TABLE IF EXISTS rows; CREATE TABLE rows (a int PRIMARY KEY)"))
        self._run(self._connections.start())

    def teardown(self) -> None:
        self._run(self._connections.stop())
        self._run(self._admin.close())
        self._runner.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(60):
                return await work

        return self._runner.run(bounded())

    def _number(self) -> int:
        self._next += 1
        return self._next

    def _rows(self, session: Expected | None) -> list[int]:
        return sorted(self._committed.union(session.written if session else []))

    def _is_refused(
        self, session: Expected, work: Coroutine[Any, Any, Any], *, in_failed: bool = False
    ) -> bool:
        """Run what must be an error, if the model says so, and check which."""
        if session.id not in self._open:
            expected: type[Exception] = NoSuchSession
        elif session.killed:
            expected = SessionLost
            del self._open[session.id]
        elif session.failed and not in_failed:
            expected = StatementFailed
        else:
            return False
        with pytest.raises(expected):
            self._run(work)
        return True

    @rule(target=sessions, read_only=st.sampled_from([False, False, False, True]))
    def begin(self, read_only: bool) -> Any:
        begun = self._connections.sessions.begin(WRITER, read_only=read_only)
        if len([one for one in self._open.values() if not one.killed]) == LIMITS.max_sessions:
            with pytest.raises(TooManySessions):
                self._run(begun)
            return multiple()
        session = self._run(begun).session_id
        pid = self._run(value(self._connections, "SELECT pg_backend_pid()", session))
        self._open[session] = Expected(session, pid, read_only)
        return self._open[session]

    @rule(session=sessions)
    def write_in(self, session: Expected) -> None:
        number = self._number()
        writing = write(self._connections, f"INSERT INTO rows VALUES ({number})", session.id)
        if session.id in self._open and not session.killed and session.read_only:
            with pytest.raises(Refused):
                self._run(writing)
        elif not self._is_refused(session, writing):
            assert self._run(writing) == "INSERT 0 1"
            session.written.append(number)

    @rule(session=sessions)
    def fail_to_write_in(self, session: Expected) -> None:
        writing = write(self._connections, "SELECT 1/0", session.id)
        if session.id in self._open and not session.killed and session.read_only:
            with pytest.raises(Refused):
                self._run(writing)
        elif not self._is_refused(session, writing):
            with pytest.raises(StatementFailed, match="division"):
                self._run(writing)
            session.failed = True

    @rule(session=sessions)
    def read_in(self, session: Expected) -> None:
        reading = read(self._connections, "SELECT a FROM rows ORDER BY a", session=session.id)
        if not self._is_refused(session, reading):
            assert self._run(reading).rows == [[number] for number in self._rows(session)]

    @rule(session=sessions)
    def fail_to_read_in(self, session: Expected) -> None:
        reading = read(self._connections, "INSERT INTO rows VALUES (-1) RETURNING a", session=session.id)
        if not self._is_refused(session, reading):
            with pytest.raises(StatementFailed, match="read-only"):
                self._run(reading)

    @rule()
    def write_alone(self) -> None:
        number = self._number()
        self._run(write(self._connections, f"INSERT INTO rows VALUES ({number})"))
        self._committed.add(number)

    @rule()
    def fail_to_write_alone(self) -> None:
        with pytest.raises(StatementFailed):
            self._run(write(self._connections, f"INSERT INTO rows VALUES ({self._number()}), (1/0)"))

    @rule(target=cursors)
    def read_alone(self) -> Any:
        page = self._run(read(self._connections, "SELECT a FROM rows ORDER BY a", max_rows=PAGE))
        rows = self._rows(None)
        assert [row[0] for row in page.rows] == rows[:PAGE]
        return self._continued(page.cursor, rows[PAGE:])

    @rule(target=cursors, cursor=consumes(cursors))
    def read_on(self, cursor: tuple[str, list[int]]) -> Any:
        token, rest = cursor
        if token not in self._kept:
            return multiple()
        self._kept.remove(token)
        page = self._run(more(self._connections, token, max_rows=PAGE))
        assert [row[0] for row in page.rows] == rest[:PAGE]
        return self._continued(page.cursor, rest[PAGE:])

    def _continued(self, token: str | None, rest: list[int]) -> Any:
        assert (token is not None) == bool(rest)
        if token is None:
            return multiple()
        self._kept = [*self._kept, token][-(LIMITS.reserved - 2) :]
        return token, rest

    @rule(session=sessions, name=NAMES)
    def savepoint(self, session: Expected, name: str) -> None:
        setting = self._connections.sessions.savepoint(WRITER, session.id, name, SOON)
        if not self._is_refused(session, setting):
            self._run(setting)
            session.savepoints.append((name, len(session.written)))

    @rule(session=sessions, name=NAMES)
    def release(self, session: Expected, name: str) -> None:
        releasing = self._connections.sessions.release(WRITER, session.id, name, SOON)
        if not self._is_refused(session, releasing):
            self._to_savepoint(session, name, releasing, keep=False)

    @rule(session=sessions, name=NAMES)
    def rollback_to(self, session: Expected, name: str) -> None:
        going_back = self._connections.sessions.rollback_to(WRITER, session.id, name, SOON)
        if self._is_refused(session, going_back, in_failed=True):
            return
        if self._to_savepoint(session, name, going_back, keep=True):
            session.failed = False
            del session.written[session.savepoints[-1][1] :]

    def _to_savepoint(
        self, session: Expected, name: str, work: Coroutine[Any, Any, Any], *, keep: bool
    ) -> bool:
        found = [index for index, savepoint in enumerate(session.savepoints) if savepoint[0] == name]
        if not found:
            with pytest.raises(StatementFailed, match="does not exist"):
                self._run(work)
            session.failed = True
            return False
        self._run(work)
        del session.savepoints[found[-1] + keep :]
        return True

    @rule(session=sessions)
    def commit(self, session: Expected) -> None:
        committing = self._connections.sessions.commit(WRITER, session.id, SOON)
        if not self._is_refused(session, committing):
            self._run(committing)
            self._committed.update(session.written)
        # Also if it had failed, there is nothing left to go on with.
        self._open.pop(session.id, None)

    @rule(session=sessions)
    def rollback(self, session: Expected) -> None:
        rolling_back = self._connections.sessions.rollback(WRITER, session.id, SOON)
        if not self._is_refused(session, rolling_back, in_failed=True):
            self._run(rolling_back)
            del self._open[session.id]

    @rule(session=sessions)
    def have_another_caller_try(self, session: Expected) -> None:
        with pytest.raises(NoSuchSession):
            self._run(self._connections.sessions.commit(OTHER, session.id, SOON))

    @rule(session=sessions)
    def kill(self, session: Expected) -> None:
        if session.id in self._open and not session.killed:
            assert self._run(kill_backends(self._admin, f"pid = {session.pid}")) == 1
            session.killed = True
            # The loss is noticed as soon as the event loop gets to it.
            self._run(self._noticed(session))

    async def _noticed(self, session: Expected) -> None:
        while not self._connections.sessions._open[session.id].is_lost:
            await asyncio.sleep(0)

    @precondition(lambda self: self._next % 5 == 0)
    @rule()
    def let_all_expire(self) -> None:
        self._clock.now += LIMITS.session_seconds
        self._run(self._connections.sessions.expire())
        self._run(self._connections.cursors.expire())
        self._open.clear()
        self._kept.clear()

    @invariant()
    def only_what_is_open_is_in_a_transaction(self) -> None:
        found = self._run(states(self._admin))
        alive = [session for session in self._open.values() if not session.killed]
        failed = sum(session.failed for session in alive)
        assert found.count("idle in transaction (aborted)") == failed
        assert found.count("idle in transaction") == len(alive) - failed + len(self._kept)
        assert found.count("idle") == len(found) - len(alive) - len(self._kept)
        assert len(self._connections.sessions.list(WRITER)) == len(self._open)

    @invariant()
    def what_is_committed_is_what_should_be(self) -> None:
        found = self._run(self._admin.fetch("SELECT a FROM rows ORDER BY a"))
        assert [row["a"] for row in found] == self._rows(None)


def test_sessions_reads_writes_and_losses_in_any_order_give_what_a_model_says(shop: str) -> None:
    machine: Any = partial(ManySessions, shop)
    run_state_machine_as_test(
        machine, settings=settings(max_examples=25, stateful_step_count=40, deadline=None)
    )
