"""How pods may fare, for the stand-in of Kubernetes."""

import asyncio
from collections.abc import Callable

from ci_kubernetes_server import Life, Pod, succeeds

Change = Callable[[Pod], object]


def of_runs(life: Life) -> Life:
    """That of pods that install nothing; those that do succeed."""

    async def live(pod: Pod) -> None:
        await (succeeds if pod.installs else life)(pod)

    return live


def becoming(change: Change) -> Life:
    """It stays so until it is told to end."""

    async def live(pod: Pod) -> None:
        change(pod)
        if pod.resource["status"]["phase"] in {"Pending", "Running"}:
            await pod.asked_to_end.wait()

    return live


async def stubborn(pod: Pod) -> None:
    """It ends only when its grace is made shorter than that of its Job."""
    pod.runs()
    while pod.grace == pod.spec["terminationGracePeriodSeconds"]:
        await asyncio.sleep(0.01)
