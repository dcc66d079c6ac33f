import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from elmtex_batch.errors import SettingsError
from elmtex_batch.schema import Schema, load_schema

PAPER_ORDER = [
    "life_style", "family_history", "social_history", "medical_surgical_history", "signs_symptoms", "comorbidities",
    "diagnostic_techniques_procedures", "diagnosis", "laboratory_values", "pathology", "pharmacological_therapy",
    "interventional_therapy", "patient_outcome_assessment", "age", "gender",
]  # fmt: skip
VALUE = {"value": "asthma", "start": 3, "end": 9, "page": 1, "score": 0.9}


def test_the_paper_s_categories_stand_in_the_paper_s_order(schema: Schema) -> None:
    assert list(schema.keys) == PAPER_ORDER


def test_tags_are_outside_then_begin_and_inside_of_each_category(schema: Schema) -> None:
    assert len(schema.tags) == 1 + 2 * 15
    assert schema.tags[:3] == ("O", "B-life_style", "I-life_style")


def test_the_model_accepts_values_and_refuses_what_breaks_a_limit(schema: Schema) -> None:
    model = schema.extraction_model
    assert model.model_validate({"diagnosis": [VALUE]}).model_dump()["diagnosis"][0]["value"] == "asthma"
    for broken in (
        {"diagnosis": [{**VALUE, "score": 1.5}]},
        {"diagnosis": [{**VALUE, "value": ""}]},
        {"diagnosis": [{**VALUE, "value": "x" * 501}]},
        {"age": [VALUE, VALUE]},
        {"no_such_category": [VALUE]},
    ):
        with pytest.raises(ValidationError):
            model.model_validate(broken)


def test_json_schema_lists_every_category_with_its_limits(schema: Schema) -> None:
    published = json.loads(json.dumps(schema.json_schema()))
    assert list(published["properties"]) == PAPER_ORDER
    assert published["properties"]["age"]["maxItems"] == 1
    assert published["properties"]["diagnosis"]["title_de"] == "Diagnose"


def test_arrow_type_has_one_list_of_values_per_category(schema: Schema) -> None:
    arrow = schema.arrow_type()
    assert [field.name for field in arrow] == PAPER_ORDER
    assert [field.name for field in arrow[0].type.value_type][:4] == ["value", "start", "end", "page"]


def test_another_schema_brings_its_own_categories() -> None:
    radiology = load_schema("radiology")
    assert "impression" in radiology.keys and "diagnosis" not in radiology.keys
    assert "B-impression" in radiology.tags
    assert "impression" in radiology.json_schema()["properties"]


def test_training_target_follows_the_schema_s_order_and_refuses_strangers(schema: Schema) -> None:
    assert list(schema.training_target({"gender": ["man"], "diagnosis": ["flu"]})) == PAPER_ORDER
    with pytest.raises(SettingsError, match="no category"):
        schema.training_target({"impression": []})


def test_wording_does_not_change_what_a_model_was_trained_for(schema: Schema) -> None:
    reworded = schema.model_copy(
        update={"category": tuple(c.model_copy(update={"description": "."}) for c in schema.category)}
    )
    assert Schema.model_validate(reworded.model_dump()).fingerprint == schema.fingerprint
    assert load_schema("radiology").fingerprint != schema.fingerprint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name = 'x'\nversion = 1\ncategory = []", "category"),
        ("name = 'x'\nversion = ", "not valid TOML"),
        (
            "name='x'\nversion=1\n" + "[[category]]\nkey='a'\ndescription=''\ntitle={en='A',de='A'}\n" * 2,
            "must be unique",
        ),
        ("name='x'\nversion=1\n[[category]]\nkey='Bad Key'\ndescription=''\ntitle={en='A',de='A'}\n", "key"),
    ],
)
def test_a_faulty_schema_file_is_explained(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        load_schema(str(path))


def test_an_unknown_schema_names_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="elmtex, radiology"):
        load_schema("cardiology")
