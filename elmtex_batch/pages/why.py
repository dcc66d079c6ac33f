"""Why a page was read the way it was: the fixed vocabulary of `Page.why`."""

from enum import StrEnum


class Why(StrEnum):
    """The finding that decided between text layer and OCR, or that kept a page from being read."""

    PLAIN_TEXT = "plain_text"
    IMAGE = "image"
    """The file is an image: there is nothing but OCR."""

    TEXT_LAYER_TRUSTED = "text_layer_trusted"
    HIDDEN_LAYER_TRUSTED = "hidden_layer_trusted"
    """The text layer is invisible, as OCR tools make it, but stood the same tests."""

    NO_TEXT_LAYER = "no_text_layer"
    CID_GARBAGE = "cid_garbage"
    """`(cid:12)`: an export from a PDF whose fonts give no way to Unicode."""
    UNMAPPED_GLYPHS = "unmapped_glyphs"
    """Control, private use or replacement characters within words."""
    MOJIBAKE = "mojibake"
    """UTF-8 read in another encoding, such as `Ã¤` for `ä`."""
    IMPLAUSIBLE_LETTERS = "implausible_letters"
    """Symbols or sequences of letters that neither English nor German text has."""
    TEXT_LAYER_INCOMPLETE = "text_layer_incomplete"
    """Much is written on the page where the text layer has no words, as on a scan with a printed header."""

    TOO_LARGE = "too_large"
    DAMAGED = "damaged"
    INTERNAL_ERROR = "internal_error"
