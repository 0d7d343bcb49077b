import signal
from collections.abc import Generator

import pytest

from fleet.until_stopped import STOP_SIGNALS, until_stopped


@pytest.fixture(autouse=True)
def _signals() -> Generator[None]:
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_ends_the_context_and_later_ones_do_nothing(number: signal.Signals) -> None:
    went_on = False
    with until_stopped():
        signal.raise_signal(number)
        went_on = True
    assert not went_on
    for later in STOP_SIGNALS:
        signal.raise_signal(later)


def test_nothing_disturbs_the_stopping_after_an_error() -> None:
    with pytest.raises(ValueError, match="broken"), until_stopped():
        raise ValueError("broken")
    signal.raise_signal(signal.SIGINT)


def test_a_hangup_that_nohup_ignores_is_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    went_on = False
    with until_stopped():
        signal.raise_signal(signal.SIGHUP)
        went_on = True
    assert went_on
