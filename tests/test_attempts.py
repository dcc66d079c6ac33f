"""The account of what was begun, without processes: an exception plays the end of one."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from elmtex_batch.attempts import Attempts, Guarded
from elmtex_batch.errors import RunFailed
from elmtex_batch.reasons import Code
from elmtex_batch.records import REASON
from elmtex_batch.stages import Stage

SCHEMA = pa.schema([("doc_id", pa.string()), ("reasons", pa.list_(REASON))])


class Death(BaseException):
    """As when a process ends."""


def batch(*ids: str) -> pa.Table:
    return pa.Table.from_pylist([{"doc_id": doc_id, "reasons": []} for doc_id in ids], SCHEMA)


def guarded(stage: Stage, attempts: Attempts) -> Guarded:
    return Guarded(lambda: stage, attempts, Code.MODEL_CRASHED, SCHEMA, lambda: "worker")


def repeated(table: pa.Table, start: Callable[[], Guarded]) -> tuple[pa.Table, int]:
    """What Ray does: a new process, and the same batch again. Returns how often the process died."""
    for deaths in range(10):
        try:
            return start()(table), deaths
        except Death:
            continue
    raise AssertionError("it never ended")


def test_only_the_documents_that_kill_twice_are_given_up() -> None:
    sizes = []

    def fragile(table: pa.Table) -> pa.Table:
        sizes.append(len(table))
        if {"c", "e"} & set(table["doc_id"].to_pylist()):
            raise Death
        return table

    attempts = Attempts()
    result, deaths = repeated(batch(*"abcdef"), lambda: guarded(fragile, attempts))
    codes = {row["doc_id"]: [reason["code"] for reason in row["reasons"]] for row in result.to_pylist()}
    assert codes == {"a": [], "b": [], "c": ["model_crashed"], "d": [], "e": ["model_crashed"], "f": []}
    assert deaths == 3 and len(result) == 6  # of all together, of c alone, of e alone


def test_a_death_that_was_not_theirs_costs_documents_nothing_and_is_forgotten() -> None:
    deaths = iter([True, False])

    def killed_once(table: pa.Table) -> pa.Table:
        if next(deaths, False):
            raise Death
        return table

    attempts = Attempts()
    result, _ = repeated(batch("a", "b"), lambda: guarded(killed_once, attempts))
    assert result.equals(batch("a", "b")) and attempts.failed(Code.MODEL_CRASHED, ["a", "b"]) == [0, 0]


def test_a_worker_that_never_gets_ready_stops_the_run() -> None:
    def never() -> Stage:
        raise Death

    attempts = Attempts()
    for _ in range(3):
        with pytest.raises(Death):
            Guarded(never, attempts, Code.MODEL_CRASHED, SCHEMA, lambda: "worker")
    with pytest.raises(RunFailed, match="3 times while it started"):
        Guarded(never, attempts, Code.MODEL_CRASHED, SCHEMA, lambda: "worker")
