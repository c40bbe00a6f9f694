"""What arrives during a commit goes into the next one; one bad item hurts nobody else; too much is refused."""

from __future__ import annotations

import asyncio

import pytest

from models.batcher import Batcher, Told
from models.engine import Contended, DatabaseUnavailable


def test_what_waits_is_done_together() -> None:
    batches: list[list[int]] = []

    async def work(items: list[int]) -> list[int]:
        batches.append(items)
        await asyncio.sleep(0.01)
        return [item * 10 for item in items]

    async def main() -> list[int]:
        batcher = Batcher(work, most=4)
        first = asyncio.create_task(batcher.submit(1))
        await asyncio.sleep(0.005)
        rest = [asyncio.create_task(batcher.submit(n)) for n in range(2, 8)]
        return await asyncio.gather(first, *rest)

    assert asyncio.run(main()) == [10, 20, 30, 40, 50, 60, 70]
    assert batches == [[1], [2, 3, 4, 5], [6, 7]]


def test_one_bad_item_fails_alone() -> None:
    async def work(items: list[int]) -> list[int]:
        await asyncio.sleep(0)
        if 13 in items:
            raise ValueError("unlucky")
        return items

    async def main() -> list[int | BaseException]:
        batcher = Batcher(work)
        return await asyncio.gather(*(batcher.submit(n) for n in (12, 13, 14)), return_exceptions=True)

    good, bad, fine = asyncio.run(main())
    assert (good, fine) == (12, 14)
    assert isinstance(bad, ValueError)


def test_a_caller_that_goes_away_does_not_undo_what_was_accepted() -> None:
    done: list[int] = []

    async def work(items: list[int]) -> list[None]:
        await asyncio.sleep(0.02)
        done.extend(items)
        return [None] * len(items)

    async def main() -> None:
        batcher = Batcher(work)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(batcher.submit(1), 0.005)
        await batcher.drain()

    asyncio.run(main())
    assert done == [1]


def test_a_full_queue_refuses() -> None:
    async def work(items: list[int]) -> list[int]:
        await asyncio.sleep(0.01)
        return items

    async def main() -> None:
        batcher = Batcher(work, most=1, queue=2)
        tasks = [asyncio.create_task(batcher.submit(n)) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(DatabaseUnavailable):
            await batcher.submit(9)
        assert await asyncio.gather(*tasks) == [0, 1]

    asyncio.run(main())


async def _while_one_is_busy(batcher_waits: float | None, caller_waits: float) -> tuple[list[int], str]:
    """What was done, and what became of an item that came while another one took its time."""
    done: list[int] = []

    async def work(items: list[int]) -> list[int]:
        await asyncio.sleep(0.1)
        done.extend(items)
        return items

    batcher = Batcher(work, patience=batcher_waits)
    first = asyncio.create_task(batcher.submit(1))
    await asyncio.sleep(0.01)
    try:
        await asyncio.wait_for(batcher.submit(2), caller_waits)
        end = "done"
    except (DatabaseUnavailable, TimeoutError) as error:
        end = type(error).__name__
    await first
    await batcher.drain()
    return done, end


def test_what_has_not_begun_in_time_is_never_done() -> None:
    """Whoever was told so may come again."""
    assert asyncio.run(_while_one_is_busy(0.02, 5)) == ([1], "DatabaseUnavailable")
    assert asyncio.run(_while_one_is_busy(None, 0.02)) == ([1], "TimeoutError")


def test_what_has_begun_in_time_may_take_longer() -> None:
    assert asyncio.run(_while_one_is_busy(0.15, 5)) == ([1, 2], "done")


async def _called_back(seconds: float, **options: float) -> list[tuple[int, int | None, str]]:
    """What two items heard that take so long: the item, its result, the error's kind."""
    heard: list[tuple[int, int | None, str]] = []

    async def work(items: list[int]) -> list[int]:
        await asyncio.sleep(seconds)
        return [item * 10 for item in items]

    def hear(item: int) -> Told:
        def told(result: int | None, error: Exception | None) -> None:
            heard.append((item, result, type(error).__name__ if error else ""))
            raise RuntimeError("whoever hears it stumbles")

        return told

    batcher = Batcher(work, most=1, to_the_end=True, patience=0.05, **options)  # type: ignore[arg-type]
    for item in (1, 2):
        batcher.hand_in(item, hear(item))
    assert heard == []  # not before the caller goes on
    await batcher.drain()
    return heard


def test_who_is_called_back_hears_once_and_a_stumble_is_its_own(caplog: pytest.LogCaptureFixture) -> None:
    assert asyncio.run(_called_back(0.001)) == [(1, 10, ""), (2, 20, "")]
    assert caplog.text.count("whoever waited could not be told") == 2


def test_what_is_not_done_in_time_is_told_so_and_done_all_the_same() -> None:
    """To the end: the first had begun, the second had not, and is then left out."""
    assert asyncio.run(_called_back(0.1)) == [(1, None, "TimeoutError"), (2, None, "TimeoutError")]


def test_patience_is_each_items_own() -> None:
    """One timer for all: it goes on to whoever is next."""
    begun: list[int] = []

    async def work(items: list[int]) -> list[int]:
        begun.extend(items)
        await asyncio.sleep(0.2)
        return items

    async def main() -> list[int | BaseException]:
        batcher = Batcher(work, most=1, patience=0.3)
        tasks = []
        for item, pause in enumerate((0.02, 0.02, 0.2, 0)):  # turns come after 0, 200 and 400 ms
            tasks.append(asyncio.create_task(batcher.submit(item)))
            await asyncio.sleep(pause)
        told = await asyncio.gather(*tasks, return_exceptions=True)
        assert await batcher.submit(5) == 5  # and so it is for who comes when all is over
        return told

    told = asyncio.run(main())
    assert begun == [0, 1, 3, 5]
    assert [type(each) for each in told] == [int, int, DatabaseUnavailable, int]


def test_a_result_that_is_an_exception_is_its_items_alone() -> None:
    async def work(items: list[int]) -> list[int | Exception]:
        await asyncio.sleep(0)
        return [ValueError("odd") if item % 2 else item for item in items]

    async def main() -> list[int | BaseException]:
        batcher = Batcher(work)
        return await asyncio.gather(*(batcher.submit(n) for n in (2, 3, 4)), return_exceptions=True)

    even, odd, also = asyncio.run(main())
    assert (even, also) == (2, 4)
    assert isinstance(odd, ValueError)


def test_a_batch_that_is_held_up_makes_way() -> None:
    """What it holds is done all the same, and waited for at the end."""
    done: list[int] = []

    async def main() -> None:
        freed = asyncio.Event()

        async def work(items: list[int]) -> list[int]:
            if items == [1]:
                await freed.wait()
            done.extend(items)
            return items

        batcher = Batcher(work, most=1, alone_for=0.01)
        held_up = asyncio.create_task(batcher.submit(1))
        await asyncio.sleep(0)
        assert await asyncio.gather(batcher.submit(2), batcher.submit(3)) == [2, 3]
        assert await batcher.submit(4) == 4
        end = asyncio.create_task(batcher.drain())
        await asyncio.sleep(0.01)
        assert not end.done()
        freed.set()
        await end
        assert await held_up == 1

    asyncio.run(main())
    assert done == [2, 3, 4, 1]


@pytest.mark.parametrize(("error", "good"), [(Contended, 2), (DatabaseUnavailable, 0)])
def test_who_meets_a_row_that_is_kept_fails_alone(error: type[Exception], good: int) -> None:
    """A database that is away is away for everybody: nobody tries again."""

    async def work(items: list[int]) -> list[int]:
        await asyncio.sleep(0)
        if 13 in items:
            raise error
        return items

    async def main() -> list[int | BaseException]:
        batcher = Batcher(work)
        return await asyncio.gather(*(batcher.submit(n) for n in (12, 13, 14)), return_exceptions=True)

    told = asyncio.run(main())
    assert [isinstance(each, int) for each in told].count(True) == good
    assert isinstance(told[1], error)


def test_work_that_answers_too_few_is_not_the_end() -> None:
    async def work(items: list[int]) -> list[int]:
        await asyncio.sleep(0)
        return items if items != [1] else []

    async def main() -> None:
        batcher = Batcher(work)
        with pytest.raises(ValueError, match="0 results of 1 items"):
            await batcher.submit(1)
        assert await batcher.submit(2) == 2

    asyncio.run(main())
