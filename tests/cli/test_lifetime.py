"""Running something until it ends or a signal comes."""

import asyncio
import os
import signal

import pytest

from earshot_cli import lifetime


def test_a_result_is_returned():
    """What ends by itself gives its result."""

    async def work():
        return 7

    assert lifetime.run(work()) == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_its_clean_up_is_not_disturbed(number):
    """The first signal cancels; further ones leave the clean-up alone."""
    cleaned = []

    async def work():
        os.kill(os.getpid(), number)
        try:
            await asyncio.sleep(10)
        finally:
            for _ in range(3):
                os.kill(os.getpid(), number)
                await asyncio.sleep(0.01)
            cleaned.append(True)

    with pytest.raises(lifetime.Interrupted):
        lifetime.run(work())
    assert cleaned


def test_an_error_is_an_error():
    """What fails raises its own error, not an interruption."""

    async def work():
        raise ValueError("own")

    with pytest.raises(ValueError, match="own"):
        lifetime.run(work())
