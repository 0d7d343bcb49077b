"""Collectors of another package, which tell what files in the workspace's folder have them tell."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from fleet_metadata import CollectionFailed, Key, NotApplicable, Reading, ValueType, Workspace

REAL = ("ci", "git", "github", "gitlab", "toolhive", "workspace")
LONG_NAME = "shown_" + "n" * 121
TOO_LONG_NAME = f"{LONG_NAME}n"


class ShownCollector:
    """Tells the values in `shown.json`, null for the rest; or fails, breaks, or does not apply, as that file says."""

    name = "shown"
    prefix = "shown_"
    keys: Sequence[Key] = (
        Key("shown_text", ValueType.STRING, "A text", in_list=True),
        Key("shown_number", ValueType.NUMBER, "A number", in_list=True),
        Key("shown_list", ValueType.ARRAY, "Some things"),
        Key("shown_nothing", ValueType.STRING, "Nothing at all"),
        Key(LONG_NAME, ValueType.STRING, "As long a name as Coder takes"),
        Key(TOO_LONG_NAME, ValueType.STRING, "A longer one"),
    )

    def __init__(self, workspace: Workspace) -> None:
        self._file = workspace.folder / f"{self.name}.json"

    async def collect(self) -> Reading:
        told = json.loads(self._file.read_text()) if self._file.exists() else {"not here": "no file"}
        if why := told.get("fault"):
            raise RuntimeError(why)
        if why := told.get("failed"):
            raise CollectionFailed(why)
        if why := told.get("not here"):
            raise NotApplicable(why)
        return Reading({key.name: None for key in self.keys} | told)


class OtherCollector(ShownCollector):
    name = "other"
    prefix = "other_"
    keys = (Key("other_text", ValueType.STRING, "Another text"),)


class LoggingCollector(OtherCollector):
    async def collect(self) -> Reading:
        log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
        log.debug("of no matter")
        log.warning("to be told")
        return await super().collect()


class BrokenCollector:
    def __init__(self, workspace: Workspace) -> None:
        raise RuntimeError(f"password=hunter2 in {workspace.folder.name}")


def tell(folder: Path, name: str = "shown", **told: Any) -> None:
    """Have the collector of that name tell this from now on, in the workspace in `folder`."""
    file = folder / f"{name}.new"
    file.write_text(json.dumps(told))
    file.rename(folder / f"{name}.json")


def installed(site: Path, **collectors: str) -> Mapping[str, str]:
    """The environment in which a package with those collectors is installed, in `site`; class names by entry."""
    info = site / "shown_package-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shown-package\nVersion: 1.0\n")
    lines = [f"{name} = shown_collectors:{class_name}\n" for name, class_name in collectors.items()]
    (info / "entry_points.txt").write_text("".join(["[fleet_metadata.collectors]\n", *lines]))
    return {"PYTHONPATH": os.pathsep.join([str(site), str(Path(__file__).parent)])}
