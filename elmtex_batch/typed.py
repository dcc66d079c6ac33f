"""Typed readings of verbatim values: an age in years, an administrative gender. English and German."""

import re
from functools import cache
from typing import Literal

Gender = Literal["male", "female"]
"""The two codes of HL7 FHIR's AdministrativeGender that a report's wording decides."""

_YEARS = {
    "year": 1.0,
    "month": 1 / 12,
    "week": 7 / 365.25,
    "day": 1 / 365.25,
    "hour": 1 / 8766,
}
_UNITS = (
    ("month", r"months?|mos?\b|mth|monat|mon\b|lebensmonat"),
    ("week", r"weeks?|wks?\b|woche|lebenswoche"),
    ("day", r"days?|tage?|lebenstag"),
    ("hour", r"hours?|hrs?\b|h\b|stunden?"),
    ("year", r"years?|yrs?\b|y\b|y/o|yo\b|jahr|jähr|jaehr|j\b|a\b"),
)
_UNIT = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _UNITS))
_NUMBER = re.compile(
    r"(?P<whole>\d{1,3})(?:[.,](?P<decimal>\d{1,2}))?(?P<fraction>(?:\s+|-and-|\s*&\s*)\d/\d{1,2})?"
    r"(?P<half>\s*½|\s+and\s+a\s+half)?(?![\d.]*\d)"
)
_DATE = re.compile(r"\d{1,2}[./-]\s?\d{1,2}[./-]\s?(?:\d{4}|\d{2})\b|\b(?:1[89]|20)\d{2}\b")
_NEWBORN = re.compile(r"newborn|neonate|neugebor")

_GENDERS: tuple[tuple[Gender, re.Pattern[str]], ...] = (
    (
        "female",
        re.compile(
            r"\b(?:females?|wom[ae]n|girl|lady|she|her|hers|mrs|ms|miss|mother|frau|fr|patientin|pat'in|mädchen|maedchen|"
            r"weibl\w*|w|f|rhf|sie|ihre?|ihrer|kollegin|jugendliche|schülerin|rentnerin|dame|primigravida|multigravida|"
            r"säuglings?mädchen|\w+(?<!term)in)\b|♀"
        ),
    ),
    (
        "male",
        re.compile(
            r"\b(?:males?|m[ae]n|boy|gentlem[ae]n|he|his|him|mr|mister|father|herrn?|hrn?|patient(?:en)?|mann|männer|junge[nr]?|"
            r"bub|knabe|männl\w*|maennl\w*|m|rhm|er|sein|seine|seiner|jugendlicher|schüler|rentner|versicherten)\b|♂"
        ),
    ),
)


def is_readable(kind: str, value: str, language: str) -> bool:
    """Whether a value can be read as one of this type; a text always can."""
    match kind:
        case "age":
            return age_in_years(value) is not None
        case "gender":
            return gender_code(value, language) is not None
        case _:
            return True


def age_in_years(value: str) -> float | None:
    """The age in years that a value states ("3 months" is 0.25), or None, as for a mere date of birth.

    Several parts add up ("2 years 3 months"); a number without a unit counts years.
    """
    text = _numbers_for_words(value.lower())
    if _NEWBORN.search(text):
        return 0.0
    if _DATE.search(text):
        return None
    total, found, position = 0.0, False, 0
    while number := _NUMBER.search(text, position):
        unit = _UNIT.search(text, number.end())
        nearby = unit if unit and unit.start() - number.end() <= 12 else None
        total += _amount(number) * _YEARS[str(nearby.lastgroup) if nearby else "year"]
        found, position = True, nearby.end() if nearby else len(text)
    return round(total, 4) if found and total < 130 else None


def gender_code(value: str, language: str) -> Gender | None:
    """The gender that a word or phrase of a report states, or None. `language` as of `elmtex_batch.language`."""
    text = value.lower()
    if language != "de" and text.strip() == "patient":
        return None
    return next((code for code, pattern in _GENDERS if pattern.search(text)), None)


def _amount(number: re.Match[str]) -> float:
    amount = float(f"{number['whole']}.{number['decimal'] or 0}")
    if fraction := number["fraction"]:
        over, under = re.findall(r"\d+", fraction)
        amount += int(over) / max(1, int(under))
    return amount + (0.5 if number["half"] else 0)


def _numbers_for_words(text: str) -> str:
    """Turns "Fünfjähriger" to "5jähriger", "twenty-two-year-old" to "22-year-old"."""
    return _words_pattern().sub(lambda match: _number_words()[match.group()], text)


@cache
def _number_words() -> dict[str, str]:
    from num2words import num2words

    table = {"ein": "1", "eine": "1", "einem": "1"}
    for number in range(1, 121):
        english = num2words(number, lang="en")
        table |= {
            english: str(number),
            english.replace("-", " "): str(number),
            num2words(number, lang="de"): str(number),
        }
    return table


@cache
def _words_pattern() -> re.Pattern[str]:
    longest_first = sorted(_number_words(), key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})(?=\b|jähr|jaehr|monat|wöch|täg)")
