import pytest
from fakes import MemoryAnswers

from dependency_graph.application.ingest_once import Answer, Repeatable, answer_once
from dependency_graph.domain.errors import IdempotencyKeyReused, IngestInProgress

REQUEST = Repeatable("key", "once", b"digest")


async def _work() -> Answer:
    return {"generation": 7}


async def _no_work() -> Answer:
    pytest.fail("work was done twice")


async def test_the_answer_of_the_first_request_is_given_again() -> None:
    answers = MemoryAnswers()
    assert await answer_once(REQUEST, answers, _work) == ({"generation": 7}, False)
    assert await answer_once(REQUEST, answers, _no_work) == ({"generation": 7}, True)


async def test_the_key_with_another_body_is_refused() -> None:
    answers = MemoryAnswers()
    await answer_once(REQUEST, answers, _work)
    with pytest.raises(IdempotencyKeyReused):
        await answer_once(Repeatable("key", "once", b"other"), answers, _no_work)


async def test_the_same_words_of_another_key_holder_are_another_key() -> None:
    answers = MemoryAnswers()
    await answer_once(REQUEST, answers, _work)
    assert await answer_once(Repeatable("other", "once", b"other"), answers, _work) == (
        {"generation": 7},
        False,
    )


async def test_while_the_first_request_is_at_work_the_second_is_told_so() -> None:
    answers = MemoryAnswers()
    answers.busy = True
    with pytest.raises(IngestInProgress):
        await answer_once(REQUEST, answers, _no_work)
