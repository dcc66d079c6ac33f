"""The figures: every metric in both modes against values worked out by hand."""

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from elmtex_batch.errors import InputMissing, ModelError, SettingsError
from elmtex_batch.evaluation.estimates import Estimate, draw_weights, overall
from elmtex_batch.evaluation.overlap import BertScorer, Rouge
from elmtex_batch.evaluation.predictions import Prediction, Run, read_predictions, write_predictions
from elmtex_batch.evaluation.results import Evaluation, evaluation_of
from elmtex_batch.evaluation.settings import EvaluationSettings, model_settings, parse_runs
from elmtex_batch.evaluation.tallies import Mode, Tally, tally
from elmtex_batch.schema import Schema
from elmtex_batch.training.data import Report

APPENDIX = Report(
    "a", "en", "A 40-year-old with acute appendicitis and sepsis.",
    {"diagnosis": ["acute appendicitis", "sepsis"], "age": ["40-year-old"]}, "clinic",
)  # fmt: skip
OEDEMA = Report("b", "de", "Befund: Fußödem links.", {"diagnosis": ["Fußödem"]}, "archive")
FOUND = Prediction({"diagnosis": ["appendicitis", "fever"], "comorbidities": ["gout"]}, cut_short=True)
INVALID = Prediction(None)


def evaluated(reports: Sequence[Report], run: Run, schema: Schema, resamples: int = 50) -> Evaluation:
    settings = EvaluationSettings(
        data=Path("unused"), out=Path("unused"), runs={run.name: "unused.jsonl"}, resamples=resamples
    )
    return evaluation_of(settings, schema, reports, [(run, tally(reports, run.predictions, schema.keys, [Rouge()]))])


def values_of(reports: Sequence[Report], run: Run, schema: Schema, mode: Mode) -> dict[str, float]:
    figures = evaluated(reports, run, schema).runs[0].modes[mode].overall
    return {name: estimate.value for name, estimate in figures.items()}


@pytest.fixture
def run() -> Run:
    return Run("model", {"a": FOUND, "b": INVALID})


def test_strict_mode_counts_invalid_outputs_and_invented_fields(run: Run, schema: Schema) -> None:
    values = values_of([APPENDIX, OEDEMA], run, schema, Mode.STRICT)
    # 4 annotated, 3 predicted, and "appendicitis" has 2/3 token F1 with "acute appendicitis".
    assert values["relaxed_precision"] == pytest.approx(1 / 3)
    assert values["relaxed_recall"] == pytest.approx(1 / 4)
    assert values["relaxed_f1"] == pytest.approx(2 / 7)
    assert values["exact_f1"] == 0
    # F1 of diagnosis 2/5, of age and comorbidities 0.
    assert values["macro_relaxed_f1"] == pytest.approx(0.4 / 3)
    # "acute appendicitis; sepsis" and "appendicitis; fever" have 1 of 3 and of 2 words in common; three fields have 0.
    assert values["rouge1"] == values["rougeL"] == pytest.approx(0.4 / 4)
    assert values["macro_rougeL"] == pytest.approx((0.4 / 2 + 0 + 0) / 3)
    assert values["rouge2"] == 0


def test_paper_mode_skips_invalid_outputs_and_fields_without_annotation(run: Run, schema: Schema) -> None:
    values = values_of([APPENDIX, OEDEMA], run, schema, Mode.PAPER)
    assert values["relaxed_precision"] == pytest.approx(1 / 2)
    assert values["relaxed_recall"] == pytest.approx(1 / 3)
    assert values["relaxed_f1"] == pytest.approx(2 / 5)
    assert values["macro_relaxed_f1"] == pytest.approx((2 * 1 / 4 + 0) / 2)
    assert values["rougeL"] == pytest.approx(0.4 / 2)


def test_a_report_without_a_prediction_counts_as_an_invalid_output(schema: Schema) -> None:
    missing, null = Run("m", {"a": FOUND}), Run("n", {"a": FOUND, "b": INVALID})
    for mode in Mode:
        assert values_of([APPENDIX, OEDEMA], missing, schema, mode) == values_of([APPENDIX, OEDEMA], null, schema, mode)


def test_groups_and_shares(run: Run, schema: Schema) -> None:
    evaluation = evaluated([APPENDIX, OEDEMA], run, schema)
    assert (evaluation.languages, evaluation.sources) == ({"de": 1, "en": 1}, {"archive": 1, "clinic": 1})
    result = evaluation.runs[0]
    # "fever" and "gout" are made up.
    assert (result.values, result.values_not_in_text, result.share_not_in_text) == (3, 2, 2 / 3)
    assert (result.valid_outputs, result.cut_short, result.documents_per_second) == (0.5, 0.5, None)
    strict, paper = (result.modes[mode].by for mode in (Mode.STRICT, Mode.PAPER))
    assert strict["language"]["en"]["relaxed_f1"].value == pytest.approx(2 / 6)
    assert strict["source"]["archive"]["relaxed_f1"].value == 0
    assert paper["source"]["archive"] == {}, "its only report is skipped"
    assert strict["category"]["diagnosis"]["relaxed_f1"].value == pytest.approx(2 / 5)
    assert strict["category"]["pathology"] == {}, "nothing to find, nothing found"


def test_what_the_system_read_decides_what_stands_in_the_text(schema: Schema) -> None:
    misread = Prediction({"diagnosis": ["Fussoedem"]}, text="Befund: Fussoedem links.")
    assert evaluated([OEDEMA], Run("scan", {"b": misread}), schema).runs[0].values_not_in_text == 0


def test_rouge_knows_umlauts_and_case() -> None:
    scores = Rouge()("Fußödem links", "fußödem LINKS")
    assert scores == {"rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0}
    # Both are "fu", "dem" to a tokenizer that keeps a to z only.
    assert Rouge()("Fußödem", "Fuß, dem")["rouge1"] == 0
    assert Rouge()("a b c d", "d c b a")["rougeL"] == 0.25
    assert Rouge()("+", "-") == {"rouge1": 0.0, "rouge2": 0.0, "rougeL": 0.0}


def test_intervals_are_the_same_for_the_same_seed_only() -> None:
    assert (draw_weights(9, 20, seed=1) == draw_weights(9, 20, seed=1)).all()
    assert (draw_weights(9, 20, seed=1) != draw_weights(9, 20, seed=2)).any()
    assert (draw_weights(9, 20, seed=1).sum(axis=1) == 9).all()


def one_value_each(matched: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Tally:
    ones = np.ones((len(matched), 1), np.int64)
    column = matched[:, None]
    return Tally(ones, ones, {"relaxed": column, "exact": column}, {}, ones[:, 0] > 0, ones[:, 0], None)


def test_intervals_cover_the_true_score_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(300):
        counts = one_value_each(rng.binomial(1, 0.7, size=80))
        estimate = overall(counts, counts.scored(Mode.STRICT), draw_weights(80, 400, seed=trial))["relaxed_f1"]
        assert estimate.low <= estimate.value <= estimate.high
        covered += estimate.low <= 0.7 <= estimate.high
    assert 0.90 <= covered / 300 <= 0.98


def test_without_variation_there_is_no_interval() -> None:
    counts = one_value_each(np.ones(5, np.int64))
    assert overall(counts, counts.scored(Mode.PAPER), draw_weights(5, 50, 0))["exact_f1"] == Estimate(1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A randomly initialised BERT with a word-piece tokenizer, saved as any encoder is."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("bert")
    letters = "abcdefghijklmnopqrstuvwxyzäöüß;"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    BertTokenizer(vocab_file=str(folder / "vocab.txt"), strip_accents=False).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return str(folder)


def bert_score_by_hand(folder: str, layer: int, reference: str, prediction: str) -> float:
    """The formulas (2) of arXiv 1904.09675 as they stand."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    vectors = []
    for text in (reference, prediction):
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states[layer]
        vectors.append(torch.nn.functional.normalize(states[0, 1:-1], dim=-1))
    similarity = vectors[0] @ vectors[1].T
    recall, precision = similarity.max(dim=1).values.mean(), similarity.max(dim=0).values.mean()
    return float(2 * precision * recall / (precision + recall))


@pytest.mark.parametrize("layer", [1, 2])
def test_bert_score(tiny_bert: str, layer: int) -> None:
    scorer = BertScorer(tiny_bert, layer)
    assert scorer("fußödem; gicht", "fußödem; gicht")["bertscore"] == pytest.approx(1)
    for reference, prediction in [("fußödem links", "ödem"), ("gicht", "akute gicht am knie")]:
        expected = bert_score_by_hand(tiny_bert, layer, reference, prediction)
        assert scorer(reference, prediction)["bertscore"] == pytest.approx(expected, abs=1e-5)
    assert math.isfinite(scorer("x" * 500, "y" * 500)["bertscore"]), "longer than the model's context"


def test_a_model_for_bert_score_that_does_not_fit_is_refused(tiny_bert: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has 2 layers"):
        BertScorer(tiny_bert, 3)
    with pytest.raises(ModelError, match="cannot be loaded"):
        BertScorer(str(tmp_path))
    shutil.copytree(tiny_bert, tmp_path / "bert")
    config = json.loads((tmp_path / "bert" / "config.json").read_text())
    (tmp_path / "bert" / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "code.Model"}}))
    with pytest.raises(ModelError, match="code of its own"):
        BertScorer(str(tmp_path / "bert"))


def test_predictions_written_are_the_predictions_read(tmp_path: Path, schema: Schema) -> None:
    labels = {key: ["Fußödem"] if key == "diagnosis" else [] for key in schema.keys}
    predictions = {"a": Prediction(labels, "gelesener Text", False), "b": INVALID, "c": Prediction(labels)}
    write_predictions(predictions.items(), tmp_path / "p.jsonl")
    assert read_predictions(tmp_path / "p.jsonl", schema) == predictions


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"id": "a"}', InputMissing),
        ('{"id": "a", "labels": {"age": [1]}}', InputMissing),
        ('{"id": "a", "labels": {"diagnoses": ["flu"]}}', SettingsError),
        ("a,b", InputMissing),
    ],
)
def test_what_is_no_prediction_is_refused(tmp_path: Path, schema: Schema, line: str, error: type[Exception]) -> None:
    (tmp_path / "p.jsonl").write_text(line)
    with pytest.raises(error):
        read_predictions(tmp_path / "p.jsonl", schema)


def test_a_run_names_predictions_a_settings_file_or_settings_of_the_model(tmp_path: Path) -> None:
    assert parse_runs(["a=x.jsonl", "b=reader=tagger,base=y"]) == {"a": "x.jsonl", "b": "reader=tagger,base=y"}
    assert model_settings("x.jsonl", "elmtex") is None
    (tmp_path / "run.toml").write_text('[model]\nbase = "x"\n')
    from_file, inline = model_settings(f"{tmp_path}/run.toml", "radiology"), model_settings("base=x", "radiology")
    assert from_file == inline and inline is not None
    assert (inline.schema_, inline.model.base) == ("radiology", "x")
    shown = model_settings("reader=generator,prompt=advanced,examples=train.jsonl", "elmtex")
    assert shown is not None and shown.model.examples == Path("train.jsonl")
    for wrong in (["a"], ["a=x", "a=y"]):
        with pytest.raises(SettingsError):
            parse_runs(wrong)
    with pytest.raises(SettingsError, match=r"model\.readr"):
        model_settings("readr=tagger", "elmtex")
