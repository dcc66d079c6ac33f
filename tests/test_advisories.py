"""Nothing starts on versions or settings that are known to be unsafe."""

from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from elmtex_batch.advisories import ADVISORIES, UNSAFE_VARIABLES, Advisory, check_environment, installed_version
from elmtex_batch.cli import main
from elmtex_batch.errors import UnsafeEnvironment

OLD = {
    "pillow": "12.3.0", "pdfminer.six": "20250506", "pdfium": "148.0.7778", "pyarrow": "14.0.0", "ray": "2.51.0",
    "torch": "2.5.1", "transformers": "4.57.0",
}  # fmt: skip


def test_what_is_installed_here_is_safe() -> None:
    check_environment({})


@pytest.mark.parametrize("advisory", ADVISORIES, ids=lambda advisory: advisory.ids)
def test_an_affected_version_is_refused_with_advisory_and_remedy(advisory: Advisory) -> None:
    old = "4.40.0" if advisory.affected == "<4.48" else OLD[advisory.package]
    with pytest.raises(UnsafeEnvironment) as error:
        check_environment({}, lambda package: old if package == advisory.package else installed_version(package))
    assert f"{advisory.package} {old} ({advisory.ids}" in str(error.value)
    assert "pip install --upgrade" in str(error.value)
    assert installed_version(advisory.package) not in SpecifierSet(advisory.affected)


def test_builds_and_missing_packages_are_no_matter() -> None:
    def version(package: str) -> str:
        if package != "torch":
            raise PackageNotFoundError(package)
        return "2.13.0+cu128"

    check_environment({}, version)
    with pytest.raises(UnsafeEnvironment, match="CVE-2026-24747"):
        check_environment({}, lambda package: "2.9.1+cu128" if package == "torch" else installed_version(package))


@pytest.mark.parametrize("name", UNSAFE_VARIABLES)
def test_an_unsafe_setting_stops_a_run_before_any_work(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check_environment({name: "0"})
    monkeypatch.setenv(name, "1")
    (tmp_path / "a.txt").write_text("A 45-year-old man.")
    assert main(["convert", str(tmp_path), "--out", str(tmp_path / "out")]) == 9
    assert name in capsys.readouterr().err and not (tmp_path / "out").exists()
