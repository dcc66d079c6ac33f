"""What a document looks like: typeface, layout and what is printed around the text, all chosen from a seed."""

from dataclasses import dataclass
from random import Random

from elmtex_batch.language import GERMAN, detect_language
from elmtex_batch.scanning.fonts import Face, faces_for

A4 = (595.28, 841.89)

_LETTERHEADS = {
    True: (
        ("Kreiskrankenhaus Musterstadt", "Abteilung für Innere Medizin"),
        ("Universitätsklinikum Beispielhausen", "Klinik und Poliklinik · Stationssekretariat"),
        ("St.-Vinzenz-Hospital", "Akademisches Lehrkrankenhaus"),
        ("Gemeinschaftspraxis am Markt", "Telefon 0 12 34 / 5 67-0"),
    ),
    False: (
        ("Exampleton General Hospital", "Department of Medicine"),
        ("St. Elsewhere University Hospitals", "Medical Records"),
        ("Riverside Clinic", "Telephone (012) 345-6789"),
        ("County Infirmary", "Office of the Consultant Physician"),
    ),
}
_FOOTERS = {True: ("Seite {page}", "- {page} -", "Blatt {page}"), False: ("Page {page}", "- {page} -", "{page}")}


@dataclass(frozen=True, slots=True)
class Look:
    """Lengths are points. `hyphens`: the language by which words are parted at line ends (`de_DE`), or empty.

    `footer` has a place for `{page}`; an empty one is none. `uneven`: letters dance and pale, as a typewriter's do.
    """

    face: Face
    size: float
    leading: float
    margin: float
    columns: int = 1
    justified: bool = False
    hyphens: str = ""
    gap: float = 0.6
    """Height of an empty line, in lines."""
    letterhead: tuple[str, ...] = ()
    footer: str = ""
    uneven: bool = False

    @property
    def width(self) -> float:
        """What is left for the text between the margins."""
        return A4[0] - 2 * self.margin


def choose_look(text: str, seed: int) -> Look:
    """A look whose typeface has the text's characters; the same seed and text give the same look."""
    random = Random(seed)
    german = detect_language(text) == GERMAN
    face = random.choice(faces_for(text))
    size = random.choice((10.0, 10.5, 11.0, 12.0) if face.typewriter else (9.0, 10.0, 10.5, 11.0, 12.0))
    margin = random.uniform(48, 82)
    letterhead = random.choice(_LETTERHEADS[german]) if random.random() < 0.6 else ()
    footer = random.choice(_FOOTERS[german]) if random.random() < 0.7 else ""
    gap, leading = random.choice((0.5, 0.8, 1.0)), size * random.choice((1.1, 1.2, 1.35, 1.6))
    if face.typewriter:
        size = min(size, _widest_type(text, A4[0] - 2 * margin))
        return Look(face, size, leading, margin, gap=gap, letterhead=letterhead, footer=footer, uneven=True)
    columns = 2 if random.random() < 0.07 else 1
    justified = columns == 2 or random.random() < 0.35
    hyphens = ("de_DE" if german else "en_US") if columns == 2 or random.random() < 0.3 else ""
    return Look(face, size, leading, margin, columns, justified, hyphens, gap, letterhead, footer)


def _widest_type(text: str, width: float) -> float:
    """The largest type (at least 9 points) in which the lines of a text that is wrapped already stay whole."""
    longest = max(map(len, text.split("\n")))
    return max(9.0, width / (0.602 * longest)) if longest <= 90 else 12.0
