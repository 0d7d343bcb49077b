import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
import structlog
from prometheus_client import Counter

from ci_server.domain.errors import StorageUnavailable
from ci_server.domain.job import Job
from ci_server.storage.changes import Changes
from ci_server.storage.outbox import Delivery, Outbox
from ci_server.webhooks.retries import wait_after
from ci_server.webhooks.signing import SIGNATURE_HEADER, signature

AT_ONCE = 20
"""Webhooks under way at the same time, so that a few receivers that hang hold up nobody."""
TRY_SECONDS = 10.0
LOOK_SECONDS = 30.0
AGAIN_SECONDS = 1.0
STOP_SECONDS = 2.0

webhook_deliveries_total = Counter(
    "ci_webhook_deliveries",
    "Tries to deliver a webhook: delivered, failed, or failed and given_up",
    ["result"],
)
_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str
    retry_after: str | None = None


class Deliverer:
    """Delivers the webhooks in the outbox, from `start` to `stop`; any number of processes may.

    Each is a POST of `{"event": …, "job": …}`, where `public` makes the job, signed with the secret. It has
    arrived with a status of 2xx, and else is tried again for some hours. Where a process dies in between,
    one may arrive twice: X-Fleet-Delivery is the same then. `stop` takes two seconds at the most; what is
    under way then is tried again.
    """

    def __init__(
        self,
        outbox: Outbox,
        changes: Changes,
        public: Callable[[Job], Mapping[str, object]],
        secret: str,
        try_seconds: float = TRY_SECONDS,
    ) -> None:
        self._outbox = outbox
        self._changes = changes
        self._public = public
        self._secret = secret
        self._try_seconds = try_seconds
        self._loop: asyncio.Task[None] | None = None
        self._under_way = set[asyncio.Task[None]]()

    def start(self) -> None:
        self._loop = asyncio.create_task(self._deliver())

    async def stop(self) -> None:
        tasks = [self._loop, *self._under_way] if self._loop else []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)

    async def _deliver(self) -> None:
        async with httpx.AsyncClient(follow_redirects=False, timeout=self._try_seconds) as client:
            while True:
                seen = self._changes.version()
                await self._changes.wait(seen, await self._look(client))

    async def _look(self, client: httpx.AsyncClient) -> float:
        try:
            return await self._begin_what_is_due(client)
        except StorageUnavailable as error:
            _log.warning("webhooks_wait", error=str(error))
        except Exception:  # noqa: BLE001  # where a round of the loop ends
            _log.exception("webhooks_broke")
        return AGAIN_SECONDS

    async def _begin_what_is_due(self, client: httpx.AsyncClient) -> float:
        """Seconds until the next look; a delivery that ends is a change, and brings it forward."""
        due_in = await self._outbox.due_in()
        if due_in is None or len(self._under_way) >= AT_ONCE:
            return LOOK_SECONDS
        if due_in > 0:
            return min(due_in, LOOK_SECONDS)
        claimed = await self._outbox.claim(AT_ONCE - len(self._under_way))
        for delivery in claimed:
            self._spawn(self._try(client, delivery))
        return 0 if claimed else AGAIN_SECONDS

    def _spawn(self, delivering: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(delivering)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("webhook_broke", exc_info=error)

    async def _try(self, client: httpx.AsyncClient, delivery: Delivery) -> None:
        failure = await self._post(client, delivery)
        try:
            await self._note(delivery, failure)
        except StorageUnavailable as error:
            _log.warning("webhook_not_noted", delivery=delivery.delivery_id, error=str(error))

    async def _post(self, client: httpx.AsyncClient, delivery: Delivery) -> _Failure | None:
        body = self._body(delivery)
        headers = {
            "Content-Type": "application/json",
            "X-Fleet-Event": delivery.event,
            "X-Fleet-Delivery": delivery.delivery_id,
            SIGNATURE_HEADER: signature(self._secret, body),
        }
        url = delivery.job.spec.webhook or ""
        try:
            async with asyncio.timeout(self._try_seconds):
                # The body of the answer is not read, however long it is.
                async with client.stream("POST", url, content=body, headers=headers) as answer:
                    return None if answer.is_success else _refusal(answer)
        except TimeoutError:
            return _Failure(f"no answer within {self._try_seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return _Failure(type(error).__name__)

    def _body(self, delivery: Delivery) -> bytes:
        told = {"event": delivery.event, "job": self._public(delivery.job)}
        return json.dumps(told, ensure_ascii=False).encode()

    async def _note(self, delivery: Delivery, failure: _Failure | None) -> None:
        log = _log.bind(delivery=delivery.delivery_id, job_id=delivery.job.job_id, tries=delivery.tries)
        if failure is None:
            webhook_deliveries_total.labels("delivered").inc()
            log.info("webhook_delivered", event_name=delivery.event)
            await self._outbox.remove(delivery)
            return
        wait = wait_after(delivery.tries, failure.retry_after, datetime.now(UTC))
        webhook_deliveries_total.labels("given_up" if wait is None else "failed").inc()
        log.warning("webhook_given_up" if wait is None else "webhook_failed", reason=failure.reason)
        if wait is None:
            await self._outbox.remove(delivery)
        else:
            await self._outbox.postpone(delivery, wait)


def _refusal(answer: httpx.Response) -> _Failure:
    return _Failure(f"status {answer.status_code}", answer.headers.get("Retry-After"))
