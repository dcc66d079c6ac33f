"""A document that ends the process which works on it is tried once more, alone; then it is a row with a reason.

Ray starts the process again and repeats its batch. Which document ended it, only an account can tell that is kept
elsewhere, of what was begun and never ended.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from elmtex_batch.errors import RunFailed
from elmtex_batch.reasons import Code
from elmtex_batch.stages import Stage, reject

_STARTS = 3


class Attempts:
    """The account of a run, in memory. Stages are told apart by the code that their lost documents get."""

    def __init__(self) -> None:
        self._open: Counter[tuple[str, str]] = Counter()
        self._starts: Counter[str] = Counter()

    def start(self, worker: str) -> int:
        """How often a worker has started since it last began with a document, this time included."""
        self._starts[worker] += 1
        return self._starts[worker]

    def failed(self, stage: str, doc_ids: Sequence[str]) -> list[int]:
        """How often each document was begun and did not end."""
        return [self._open[stage, doc_id] for doc_id in doc_ids]

    def begin(self, stage: str, doc_ids: Sequence[str], worker: str) -> None:
        """To be called, and waited for, before a worker touches the documents."""
        self._starts.pop(worker, None)
        self._open.update((stage, doc_id) for doc_id in doc_ids)

    def end(self, stage: str, doc_ids: Sequence[str]) -> None:
        """The process has survived them."""
        for doc_id in doc_ids:
            self._open.pop((stage, doc_id), None)


class Guarded:
    """A stage that gives documents up which have ended its process twice: in a batch, and then alone."""

    def __init__(
        self, make: Callable[[], Stage], attempts: Attempts, code: Code, schema: pa.Schema, worker: Callable[[], str]
    ) -> None:
        """`code` and `schema`: of the rows of documents that are given up; `worker` names the process it runs in.

        Raises:
            RunFailed: the process has ended time and again while it got ready.
        """
        self._attempts, self._code, self._schema, self._worker = attempts, code, schema, worker
        if attempts.start(worker()) > _STARTS:
            raise RunFailed(f"a worker ended {_STARTS} times while it started; it may need more memory")
        self._stage = make()

    def __call__(self, table: pa.Table) -> pa.Table:
        failed = pa.array(self._attempts.failed(self._code, table["doc_id"].to_pylist()), pa.int64())
        done = [self._tried(table.filter(pc.equal(failed, 0)))]
        for i, times in enumerate(failed.to_pylist()):
            if times:
                alone = table.slice(i, 1)
                done.append(self._tried(alone) if times == 1 else reject(alone, self._code, self._schema))
        return pa.concat_tables(done)

    def _tried(self, table: pa.Table) -> pa.Table:
        doc_ids = table["doc_id"].to_pylist()
        self._attempts.begin(self._code, doc_ids, self._worker())
        result = self._stage(table)
        self._attempts.end(self._code, doc_ids)
        return result
