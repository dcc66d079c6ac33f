import pytest

from elmtex_batch.evaluation.entities import EXACT, RELAXED, Counts, count_matches, micro


def test_values_pair_off_one_to_one_best_first() -> None:
    gold = {"diagnosis": ["acute appendicitis", "sepsis"]}
    predicted = {"diagnosis": ["appendicitis", "acute appendicitis", "Sepsis."]}
    assert count_matches(gold, predicted, EXACT)["diagnosis"] == Counts(2, 3, 2)
    assert count_matches(gold, {"diagnosis": ["appendicitis"]}, RELAXED)["diagnosis"].matched == 1
    assert count_matches(gold, {"diagnosis": ["appendicitis"]}, EXACT)["diagnosis"].matched == 0


def test_values_of_another_category_do_not_match_and_count_against_precision() -> None:
    total = micro([count_matches({"diagnosis": ["flu"]}, {"comorbidities": ["flu"]}, RELAXED)])
    assert (total.gold, total.predicted, total.matched) == (1, 1, 0)
    assert total.f1 == total.precision == total.recall == 0


def test_micro_average() -> None:
    total = Counts(10, 8, 6) + Counts(10, 12, 6)
    assert (total.precision, total.recall) == (0.6, 0.6)
    assert total.f1 == pytest.approx(0.6)
