import os
from pathlib import Path

import pytest

from observability.dead_workers import forget_dead_workers

# No process has such a number: Linux counts to 2**22.
DEAD = (2**22 + 1, 2**22 + 2)


def test_a_scrape_that_finds_files_removed_by_another_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = os.remove

    def second(path: str) -> None:
        remove(path)
        remove(path)

    monkeypatch.setattr(os, "remove", second)
    for pid in DEAD:
        (tmp_path / f"gauge_livesum_{pid}.db").touch()
    forget_dead_workers(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
