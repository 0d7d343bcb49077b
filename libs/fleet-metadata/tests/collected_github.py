"""What the collector tells of a checkout."""

from typing import Any

import pytest
from forge_workspace import checked_out, workspace

from fleet_metadata.collector import CollectionFailed, Reading
from fleet_metadata.collectors.forges import GitHubCollector
from fleet_metadata.collectors.git.repository import Checkout

ORIGIN = "https://github.com/octo/cat.git"
NOTHING = dict.fromkeys((key.name for key in GitHubCollector.keys), None)


async def collected(branch: str | None = "feat/one", origin: str | None = ORIGIN, **settings: Any) -> Reading:
    return await collected_from(checked_out(branch, origin), **settings)


async def collected_from(checkout: Checkout | Exception, **settings: Any) -> Reading:
    collector = GitHubCollector(workspace(checkout, **settings))
    try:
        return await collector.collect()
    finally:
        await collector.close()


async def failure(**of: Any) -> str:
    with pytest.raises(CollectionFailed) as failed:
        await collected(**of)
    return str(failed.value)
