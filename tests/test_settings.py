"""Where settings come from, which one wins, and what is said of wrong ones. The documentation says the same."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from elmtex_batch.cli import main
from elmtex_batch.errors import SettingsError
from elmtex_batch.settings import Settings, load_settings, names_of
from elmtex_batch.sources import variable_of

ROOT = Path(__file__).parent.parent
NIGHTLY = ROOT / "jobs" / "nightly.toml"


@pytest.fixture
def job(tmp_path: Path) -> Path:
    path = tmp_path / "job.toml"
    path.write_text('inputs = ["a"]\nout = "file"\n[run]\nmodel_actors = 2\nbatch_documents = 3\nmodel_cpus = 4\n')
    return path


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(job: Path) -> None:
    environment = {"ELMTEX_RUN__BATCH_DOCUMENTS": "30", "ELMTEX_RUN__MODEL_CPUS": "40", "ELMTEX_CACHE": "/cache"}
    settings = load_settings(job, {"out": "flag"}, ["run.model_cpus=400"], environment)
    assert (settings.inputs, settings.out) == (("a",), "flag")
    assert (settings.run.model_actors, settings.run.batch_documents, settings.run.model_cpus) == (2, 30, 400)
    assert settings.run.part_documents == 500


@pytest.mark.parametrize(
    ("assignment", "name", "value"),
    [
        ("run.model_actors=", "run.model_actors", 1),
        ("run.rehash=true", "run.rehash", True),
        ('ocr.languages=["deu"]', "ocr.languages", ("deu",)),
        ("gates.min_fill_rates={age = 0.5}", "gates.min_fill_rates", {"age": 0.5}),
        ("gates.min_fill_rates.age=0.5", "gates.min_fill_rates", {"age": 0.5}),
        ("inputs=s3://bucket/2009", "inputs", ("s3://bucket/2009",)),
        ("schema=radiology", "schema_", "radiology"),
    ],
)
def test_values_are_written_plainly_and_lists_as_in_toml(job: Path, assignment: str, name: str, value: object) -> None:
    setting, _, text = assignment.partition("=")
    for settings in (
        load_settings(job, assignments=[assignment]),
        load_settings(job, environment={variable_of(setting): text}),
    ):
        found: object = settings
        for part in name.split("."):
            found = getattr(found, part)
        assert found == value


@pytest.mark.parametrize(
    ("file", "assignments", "environment", "message"),
    [
        ("[ocr]\ndpi = -1", [], {}, r"ocr\.dpi: .*greater than 0 \(from .*job\.toml\)"),
        ("[ocr]\ndpi = 2", ["ocr.dpi=high"], {}, r"ocr\.dpi: .*integer.* \(from --set ocr\.dpi\)"),
        ("", [], {"ELMTEX_OCR__DPPI": "3"}, r"did you mean ocr\.dpi\? \(from environment variable ELMTEX_OCR__DPPI\)"),
        ("", [], {"ELMTEX_OCR__LANGUAGES": "[eng"}, r'ocr\.languages: write a list as \["a", "b"\]'),
        ("", ["ocr.dpi"], {}, r"--set ocr\.dpi: write section\.name=value"),
        ("run = 3", ["run.log=json"], {}, r"run\.log: run is no section \(from --set run\.log\)"),
        ("[model]\nprompt = 'naive'", [], {}, r"model: the prompt naive needs the reader generator"),
        ("[gates]\nmax_rejected = 20", [], {}, r"gates\.max_rejected: .*less than or equal to 1 \(from"),
    ],
)
def test_messages_name_the_setting_the_remedy_and_who_said_so(
    tmp_path: Path, file: str, assignments: list[str], environment: dict[str, str], message: str
) -> None:
    path = tmp_path / "job.toml"
    path.write_text(file)
    with pytest.raises(SettingsError, match=message):
        load_settings(path, assignments=assignments, environment=environment)


def test_inputs_and_output_have_to_be_said_somewhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "--out", str(tmp_path)]) == 2 and "ELMTEX_INPUTS" in capfd.readouterr().err
    assert main(["convert", str(tmp_path)]) == 2 and "ELMTEX_OUT" in capfd.readouterr().err


def test_the_nightly_job_names_every_setting() -> None:
    assert load_settings(NIGHTLY).inputs == ("sample_inputs",)
    everything = re.sub(r"^# (?=\w+ = )", "", NIGHTLY.read_text(encoding="utf-8"), flags=re.MULTILINE)
    values = tomllib.loads(everything)
    Settings.model_validate(values)
    named = {f"{s}.{name}" for s, group in values.items() if isinstance(group, dict) for name in group}
    assert named | {name for name, value in values.items() if not isinstance(value, dict)} == set(names_of(Settings))


def test_the_documentation_lists_every_setting_with_its_default() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| `(ELMTEX_\w+)` \| (.+?) \| .+\|$", text, re.MULTILINE)
    defaults = {name: json.dumps(_default(name)) for name in names_of(Settings)}
    told = {name: "–" if default == "null" else f"`{default}`" for name, default in defaults.items()}
    assert {name: default for name, _, default in rows} == told
    assert [variable for _, variable, _ in rows] == [variable_of(name) for name, _, _ in rows]


def _default(name: str) -> object:
    value: object = Settings().model_dump(mode="json", by_alias=True)
    for part in name.split("."):
        assert isinstance(value, dict)
        value = value[part]
    return value
