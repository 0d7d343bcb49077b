"""What the README shows runs as it stands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from toolhive_answers import SMALL_REGISTRY
from toolhive_server import ToolhiveServer

# A place where ToolHive may be has a second to answer; on a busy machine that may just pass.
UNHURRIED = "import toolhive_client.discovery.search as search; search._SECONDS = 30.0\n"

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_example_shows_what_runs(toolhive: ToolhiveServer, tmp_path: Path) -> None:
    toolhive.registry = SMALL_REGISTRY
    toolhive.add("fetch", image="mcp/fetch:1.0", status="stopped")
    toolhive.add("notes", upstream="https://notes.example.com/mcp", secrets=True)
    file = tmp_path / "toolhive" / "server" / "server.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"url": toolhive.url, "nonce": toolhive.nonce}))
    [script] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", UNHURRIED + script],
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "fetch stopped mcp/fetch:1.0",
        "notes running https://notes.example.com/mcp?api_key=***&sig=***",
        "2 servers in the registry",
    ]
