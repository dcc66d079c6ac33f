"""What a stored result depends on: as long as the key is the same, it need not be made again."""

import hashlib
import json

from elmtex_batch.settings import Settings

TEXT_VERSION = 4
"""To be raised when pages are read, or texts normalised, differently."""


def text_key(settings: Settings) -> str:
    """Identifies, beside a document's content, all that shapes its text.

    Limits of time and memory are left out: they decide whether there is a text, not what it says.
    """
    shaping = {
        "version": TEXT_VERSION,
        "pages": settings.pages.model_dump(include={"max_pages", "max_megapixels"}),
        "ocr": settings.ocr.model_dump(include={"languages", "dpi"}),
        "text": settings.text.model_dump(),
    }
    return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()[:16]
