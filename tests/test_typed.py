import pytest

from elmtex_batch.typed import age_in_years, gender_code


@pytest.mark.parametrize(
    ("value", "years"),
    [
        ("45-year-old", 45),
        ("3 months", 0.25),
        ("67-jähriger", 67),
        ("54 Jahre", 54),
        ("54J.", 54),
        ("45 y/o", 45),
        ("62–year–old", 62),
        ("6-week-old", 0.115),
        ("6 7/12 Jahre", 6.5833),
        ("4-and-1/2-year-old", 4.5),
        ("2 and a half years old", 2.5),
        ("3,5 Jahre", 3.5),
        ("2 years 3 months", 2.25),
        ("fünf Monate", 0.4167),
        ("Fifty-seven year old", 57),
        ("einundsiebzigjährige", 71),
        ("dreijähriges", 3),
        ("in her 70s", 70),
        ("Alter 81", 81),
        ("newborn", 0),
        ("102-year-old", 102),
    ],
)
def test_ages_in_years(value: str, years: float) -> None:
    assert age_in_years(value) == pytest.approx(years, abs=0.001)


@pytest.mark.parametrize("value", ["12.04.1953", "born 3/4/1960", "Jahrgang 1953", "elderly", "", "1234 years"])
def test_what_states_no_age_has_none(value: str) -> None:
    assert age_in_years(value) is None


@pytest.mark.parametrize(
    ("value", "language", "code"),
    [
        ("woman", "en", "female"),
        ("young man", "en", "male"),
        ("gentleman", "en", "male"),
        ("She", "en", "female"),
        ("his", "en", "male"),
        ("Patientin", "de", "female"),
        ("Patient", "de", "male"),
        ("Patient", "en", None),
        ("Ihren Patienten", "de", "male"),
        ("Ihre Patientin", "de", "female"),
        ("Herrn", "de", "male"),
        ("Fr.", "de", "female"),
        ("Mädchen", "de", "female"),
        ("männlich", "de", "male"),
        ("weibl.", "de", "female"),
        ("person", "en", None),
    ],
)
def test_gender_codes(value: str, language: str, code: str | None) -> None:
    assert gender_code(value, language) == code
