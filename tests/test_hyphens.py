import pytest

from elmtex_batch.text.hyphens import Joiner, Joint


def join(left: str, right: str, *elsewhere: str) -> str:
    joint = Joiner(elsewhere).joint(left, right)
    return {Joint.SPACE: f"{left} {right}", Joint.GLUED: left + right, Joint.DISSOLVED: left[:-1] + right}[joint]


@pytest.mark.parametrize(
    ("left", "right", "joined"),
    [
        ("Unter-", "suchung", "Untersuchung"),
        ("(exami-", "nation).", "(examination)."),
        ("Nicht-", "ST-Hebungsinfarkt", "Nicht-ST-Hebungsinfarkt"),
        ("CT-", "Untersuchung", "CT-Untersuchung"),
        ("Herz-", "Lungen-Maschine", "Herz-Lungen-Maschine"),
        ("Typ-", "2-Diabetes", "Typ-2-Diabetes"),
        ("CT-", "gesteuert", "CT-gesteuert"),
        ("X-", "ray", "X-ray"),
        ("follow-", "up", "follow-up"),
        ("67-year-", "old", "67-year-old"),
        ("end-to-", "end", "end-to-end"),
        ("Port-", "a-cath", "Port-a-cath"),
        ("Vor-", "und", "Vor- und"),
        ("pre-", "and", "pre- and"),
        ("3-", "4", "3-4"),
        ("i.v.-", "Gabe", "i.v.-Gabe"),
        ("Calcium/", "Vitamin", "Calcium/Vitamin"),
        ("pain", "relief", "pain relief"),
        ("-", "pain", "- pain"),
        ("---", "pain", "--- pain"),
        ("CT-", "(Thorax)", "CT- (Thorax)"),
    ],
)
def test_two_lines_join(left: str, right: str, joined: str) -> None:
    assert join(left, right) == joined


def test_the_spelling_elsewhere_in_the_document_decides() -> None:
    assert join("re-", "evaluation") == "reevaluation"
    assert join("re-", "evaluation", "At Re-evaluation, no pain.") == "re-evaluation"
    assert join("follow-", "up", "The followup was short.") == "followup"
    assert join("UNTER-", "SUCHUNG", "Die Untersuchung") == "UNTERSUCHUNG"


def test_what_only_looks_like_a_compound_is_one_word() -> None:
    assert join("Unter-", "schenkel", "unter dem Schenkel") == "Unterschenkel"
    assert join("the-", "rapy") == "therapy"
