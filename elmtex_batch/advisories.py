"""What a run refuses to start with: versions with known holes, and settings of libraries that open one.

Listed is what can be reached from here: through an input file, a model folder, a table of the output or Ray's ports.
Holes in functions that are never called are left out.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from packaging.specifiers import SpecifierSet

from elmtex_batch.errors import UnsafeEnvironment


@dataclass(frozen=True, slots=True)
class Advisory:
    """A published hole. `affected`: version specifiers (PEP 440); `danger`: what it means here."""

    package: str
    affected: str
    ids: str
    danger: str


ADVISORIES = (
    Advisory("pillow", "<13", "CVE-2026-112403", "a JPEG can overwrite memory"),
    Advisory("pillow", "<13", "CVE-2026-96639", "an image with several frames can overwrite memory"),
    Advisory("pillow", "<13", "CVE-2026-112395", "a TIFF can read memory that is not its own"),
    Advisory("pdfminer.six", "<20251107", "CVE-2025-64512", "a PDF can execute code"),
    Advisory("pdfminer.six", "<20251230", "CVE-2025-70559", "whoever can write to CMAP_PATH can execute code"),
    Advisory("pdfium", "<149.0.7827", "CVE-2026-11304", "a PDF can corrupt memory"),
    Advisory("pyarrow", ">=0.14,<14.0.1", "CVE-2023-47248", "a Parquet file can execute code"),
    Advisory("ray", "<2.55", "CVE-2026-41486", "a Parquet file can execute code"),
    Advisory("ray", "<2.52", "CVE-2025-62593", "a web page can execute code by way of Ray's dashboard"),
    Advisory("torch", "<2.6", "CVE-2025-32434", "a file of weights can execute code"),
    Advisory("torch", "<2.10", "CVE-2026-24747", "a file of weights can corrupt memory"),
    Advisory("transformers", ">=4.56,<5.3", "CVE-2026-4372", "the configuration of a model can execute code"),
    Advisory("transformers", "<=5.2", "CVE-2026-5241", "the configuration of a model can execute code"),
    Advisory("transformers", "<4.48", "CVE-2024-11392", "the configuration of a model can execute code"),
)

UNSAFE_VARIABLES = {
    "CMAP_PATH": "it has pdfminer read its tables from another folder (see CVE-2025-70559)",
    "RAY_DATA_AUTOLOAD_CLOUDPICKLE_TENSOR_METADATA": "a Parquet file can execute code (CVE-2026-41486)",
    "RAY_DATA_AUTOLOAD_PICKLE_OBJECT_SCALAR": "a Parquet file can execute code (CVE-2026-41486)",
    "RAY_DATA_AUTOLOAD_PYEXTENSIONTYPE": "a Parquet file can execute code (CVE-2023-47248)",
    "RAY_DEBUG_POST_MORTEM": "a failing worker waits for a debugger on an open port, and shows it a document",
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "a file of weights can execute code",
}
"""Environment variables, and what they do when they are set to anything but `0` or `false`."""

VersionOf = Callable[[str], str]


def check_environment(environ: Mapping[str, str] = os.environ, version_of: VersionOf | None = None) -> None:
    """Refuses versions and environment variables that are known to be unsafe; takes milliseconds.

    Raises:
        UnsafeEnvironment: names each one with its advisory and the remedy.
    """
    found = [*_unsafe_versions(version_of or installed_version), *_unsafe_variables(environ)]
    if found:
        raise UnsafeEnvironment("not started, because of\n  " + "\n  ".join(found))


def installed_version(package: str) -> str:
    """Of a distribution, or of PDFium, which comes inside of pypdfium2.

    Raises:
        PackageNotFoundError: it is not installed.
    """
    if package != "pdfium":
        return version(package)
    try:
        path = distribution("pypdfium2").locate_file("pypdfium2_raw/version.json")
        told = json.loads(Path(str(path)).read_text(encoding="utf-8"))
        return f"{told['major']}.{told['minor']}.{told['build']}"
    except (OSError, ValueError, KeyError):
        raise PackageNotFoundError(package) from None


def _unsafe_versions(version_of: VersionOf) -> Iterator[str]:
    for advisory in ADVISORIES:
        try:
            installed = version_of(advisory.package)
        except PackageNotFoundError:
            continue
        if SpecifierSet(advisory.affected).contains(installed, prereleases=True):
            origin = "pypdfium2" if advisory.package == "pdfium" else advisory.package
            yield (
                f"{advisory.package} {installed} ({advisory.ids}, {advisory.affected}): {advisory.danger}; "
                f"`pip install --upgrade {origin}`"
            )


def _unsafe_variables(environ: Mapping[str, str]) -> Iterator[str]:
    for name, danger in UNSAFE_VARIABLES.items():
        if environ.get(name, "").lower() not in ("", "0", "false"):
            yield f"{name} in the environment: {danger}; unset it"
