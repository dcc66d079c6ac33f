"""Which runs are held, and why."""

from typing import Any

import pytest

from elmtex_batch.gates import judge
from elmtex_batch.settings import GateSettings


def run(rejected: int = 5, **changes: Any) -> dict[str, Any]:
    """A record of a run of a hundred documents, as far as the gates look at it."""
    statuses = [{"status": "extracted", "documents": 100 - rejected}, {"status": "rejected", "documents": rejected}]
    rates = changes.pop("rates", {"age": 0.9, "diagnosis": 0.8})
    filled = [{"category": category, "share": share} for category, share in rates.items()]
    record = {"outcome": "published", "schema": "elmtex/1", "retried": None, "mean_score": 0.8}
    return {**record, "mean_ocr_confidence": 0.9, "statuses": statuses, "fill_rates": filled, **changes}


NIGHTS = [run(rejected) for rejected in (4, 5, 6)]
CHANGES = GateSettings(rejected_rise=0.1, score_fall=0.1, ocr_confidence_fall=0.1, fill_rate_change=0.2)
LIMITS = GateSettings(max_rejected=0.2, min_score=0.5, min_ocr_confidence=0.6, min_fill_rates={"diagnosis": 0.3})


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"rejected": 10}, []),
        ({"rejected": 17}, ["rejected_change"]),
        ({"mean_score": 0.65}, ["score_change"]),
        ({"mean_score": 0.99}, []),
        ({"mean_score": None, "mean_ocr_confidence": None}, []),
        ({"mean_ocr_confidence": 0.7}, ["ocr_confidence_change"]),
        ({"rates": {"age": 0.9, "diagnosis": 0.5}}, ["fill_rate_change:diagnosis"]),
        ({"rates": {"age": 0.6, "diagnosis": 1.0, "new": 0.0}}, ["fill_rate_change:age"]),
        ({"rejected": 90, "retried": "timed_out"}, []),
    ],
)
def test_a_run_is_compared_with_the_mean_of_the_runs_before(changes: dict[str, Any], codes: list[str]) -> None:
    assert judge(run(**changes), NIGHTS, CHANGES) == codes


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"rejected": 21}, ["rejected_limit"]),
        ({"mean_score": 0.4, "mean_ocr_confidence": 0.5}, ["score_limit", "ocr_confidence_limit"]),
        ({"rates": {"diagnosis": 0.2}}, ["fill_rate_limit:diagnosis"]),
    ],
)
def test_limits_hold_from_the_first_run_on(changes: dict[str, Any], codes: list[str]) -> None:
    assert judge(run(**changes), [], LIMITS) == codes


def test_what_a_run_is_compared_with() -> None:
    bad = run(rejected=30)
    gates = CHANGES.model_copy(update={"runs": 2})
    assert judge(bad, [*NIGHTS, run(30), run(30)], gates) == []
    others = ({"outcome": "held"}, {"outcome": "failed"}, {"schema": "radiology/1"}, {"retried": "timed_out"})
    for other in others:
        assert judge(bad, [*NIGHTS, *(run(30, **other) for _ in range(2))], gates) == ["rejected_change"]
    assert judge(bad, [*NIGHTS, run(0, statuses=[])], gates) == ["rejected_change"]


def test_small_runs_are_not_judged_and_nothing_is_without_gates() -> None:
    assert judge(run(rejected=90), NIGHTS, CHANGES.model_copy(update={"min_documents": 101})) == []
    assert judge(run(rejected=90), NIGHTS, GateSettings()) == []
