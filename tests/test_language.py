import subprocess
import sys

import pytest

from elmtex_batch.language import detect_language

ENGLISH = [
    "A 45-year-old man presented with chest pain for two hours.",
    "She was discharged home in stable condition.",
    "PAST MEDICAL HISTORY: Significant for hypertension and asthma.",
    "Thc patient dcnied fevcr, chi1ls and night swcats.",
]
GERMAN = [
    "Der 67-jährige Patient stellte sich mit Brustschmerzen vor.",
    "Wir berichten über Ihre Patientin, die sich in unserer Behandlung befand.",
    "Die Entlassung erfolgte in gutem Allgemeinzustand nach Hause.",
    "Dcr Paticnt wurdc bei Vcrdacht auf Pneurnonie stationar aufgenomrnen.",
    "wir berichten ueber die Patientin, welche ueber Schwaeche klagte",
]
OTHER = [
    "Le patient a été admis aux urgences pour une douleur thoracique.",
    "De patiënt werd opgenomen met pijn op de borst en kortademigheid.",
    "Paciente varón de 67 años que acude a urgencias por dolor torácico.",
    "Il paziente è stato ricoverato per dolore toracico e dispnea.",
    "Pacjent został przyjęty do szpitala z powodu bólu w klatce piersiowej.",
    "Patienten blev indlagt med brystsmerter og åndenød gennem tre dage.",
]


@pytest.mark.parametrize("text", ENGLISH)
def test_english(text: str) -> None:
    assert detect_language(text) == "en"


@pytest.mark.parametrize("text", GERMAN)
def test_german(text: str) -> None:
    assert detect_language(text) == "de"


@pytest.mark.parametrize("text", [*OTHER, "", "   \n", "12.5 / 13.8", "- - -", "\u200b"])
def test_other(text: str) -> None:
    assert detect_language(text) == "other"


def test_the_same_text_always_gives_the_same_answer() -> None:
    assert {detect_language("Hb 12,3 g/dl, CRP 5 mg/l") for _ in range(20)} == {
        detect_language("Hb 12,3 g/dl, CRP 5 mg/l")
    }


def test_the_model_is_loaded_only_when_it_is_needed() -> None:
    check = "import sys, elmtex_batch.language; sys.exit('py3langid' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
