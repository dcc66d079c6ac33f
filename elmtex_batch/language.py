"""Which language a text is written in: English, German or another one.

py3langid was chosen by measurement: as good as lingua on whole reports, 4.5 MB instead of 96 MB, a third of a second to
load; langdetect is slower, weaker on short and German pieces, and random unless it is seeded.
"""

from functools import cache
from typing import Any

ENGLISH, GERMAN, OTHER = "en", "de", "other"

# With all 140 languages of the model, terse German is more often taken for another one: of pieces of 80 characters from
# the middle of a report 85 % are recognised instead of 91 %.
_CONSIDERED = ["en", "de", "fr", "nl", "es", "it", "pl", "da", "sv", "pt", "cs", "tr"]
_ENOUGH = 20_000
"""Characters of a text that are looked at."""


def detect_language(text: str) -> str:
    """`en`, `de` or `other`; a text without letters is `other`. The same text always gives the same answer."""
    sample = text[:_ENOUGH]
    if not any(map(str.isalpha, sample)):
        return OTHER
    language: str = _identifier().classify(sample)[0]
    return language if language in (ENGLISH, GERMAN) else OTHER


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(_CONSIDERED)
    return identifier
