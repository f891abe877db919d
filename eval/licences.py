"""``python -m eval licences``: what is installed for the runtime and for each extra, and under which licence.

Read from the metadata of the installed distributions (their own statement, not their source), for this machine's
platform. A package that is only to be had under the GPL, AGPL or LGPL, or whose licence is not known, is a fault:
the command ends with 1. ``LICENSES.md`` in a bundle is made here too.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from strijdtaal.errors import StrijdtaalError, UsageError
from strijdtaal.folder import write_file
from training.config import ROOT

BASE = "runtime"
# Distributions whose metadata names no licence, or names it in words of their own; looked up by hand.
EXCEPTIONS = {
    "cleanlab": ("Apache-2.0", "the field says Apache License without a version; the LICENSE file is version 2.0"),
    "sigstore-models": ("MIT", "no field says it; the LICENSE file in the distribution is the MIT licence"),
    "kiwisolver": ("BSD-3-Clause", "the field holds the text of the licence"),
    "scipy": ("BSD-3-Clause", "the field holds the text; the wheel's libgfortran has the GCC runtime exception"),
    "cycler": ("BSD-3-Clause", "the field holds the text of the licence"),
    "matplotlib": ("PSF-2.0", "matplotlib's own licence, modelled on that of Python"),
}
# What other fields and classifiers call it -> SPDX. "BSD" alone does not say which; it stays a name.
_SPDX = {
    "apache software license": "Apache-2.0",
    "mit license": "MIT",
    "isc license (iscl)": "ISC",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
}
_APACHE = re.compile(
    r"apache(?:[ -]?2(?:\.0)?| licen[cs]e(?:,? version)? ?2(?:\.0)?(?: license)?| 2\.0 license)?", re.I
)
_COPYLEFT = re.compile(r"(?:^|[^A-Za-z])[AL]?GPL|GNU .*General Public", re.I)
_LIBRARY_EXCEPTIONS = {"GCC-exception-3.1", "LLVM-exception", "Classpath-exception-2.0"}


class LicenceError(StrijdtaalError):
    """A dependency's licence is copyleft or unknown."""


@dataclass(frozen=True)
class Package:
    """An installed distribution; ``spdx`` is an SPDX expression, '' where ``licence`` is only a name or unknown."""

    name: str
    version: str
    licence: str
    spdx: str
    summary: str
    requires: tuple[str, ...] = field(default=())  # names of those in the same closure that it needs

    @property
    def fault(self) -> str:
        """Why it may not be a dependency; '' when it may."""
        if not self.licence:
            return "no licence is known; look it up, and put it into eval.licences.EXCEPTIONS"
        if is_copyleft(self.spdx or self.licence):
            return f"{self.licence} would bind whoever ships it along"
        return ""


@cache
def _spdx() -> Any:
    from license_expression import get_spdx_licensing  # type: ignore[import-untyped]

    return get_spdx_licensing()


def _expression(text: str) -> str:
    """``text`` as a valid SPDX expression; '' if it is none."""
    from license_expression import ExpressionError

    known = _SPDX.get(text.lower(), "Apache-2.0" if _APACHE.fullmatch(text) else text)
    try:
        return str(_spdx().parse(known, validate=True)) if known else ""
    except ExpressionError:
        return ""


def _free(node: Any) -> bool:
    """Whether an expression can be met without the GPL family: of alternatives one is enough, of parts all count."""
    kind = type(node).__name__
    if kind in {"AND", "OR"}:
        return (all if kind == "AND" else any)(_free(part) for part in node.args)
    if kind == "LicenseWithExceptionSymbol":
        return str(node.exception_symbol) in _LIBRARY_EXCEPTIONS or _free(node.license_symbol)
    return not _COPYLEFT.search(str(node))


def is_copyleft(licence: str) -> bool:
    """Whether a licence can only be met by the terms of the GPL, AGPL or LGPL.

    >>> is_copyleft("MIT OR GPL-3.0-only"), is_copyleft("MIT AND LGPL-2.1-or-later"), is_copyleft("BSD License")
    (False, True, False)
    """
    expression = _expression(licence)
    return not _free(_spdx().parse(expression)) if expression else bool(_COPYLEFT.search(licence))


def licence_of(name: str) -> tuple[str, str]:
    """(licence as people read it, SPDX expression or '') of an installed distribution.

    Order of trust: the table of exceptions, ``License-Expression``, one classifier, the free field, more classifiers.
    """
    if name in EXCEPTIONS:
        return EXCEPTIONS[name][0], EXCEPTIONS[name][0]
    about: Any = metadata.metadata(name)
    free = (about.get("License") or "").strip().splitlines()[:1]
    stated = [row.rsplit("::", 1)[-1].strip() for row in about.get_all("Classifier") or [] if row.startswith("License")]
    stated = [row for row in stated if row not in {"OSI Approved", "DFSG approved"}]
    candidates = [about.get("License-Expression") or "", *(stated if len(stated) == 1 else []), *free, *stated]
    for candidate in candidates:
        if expression := _expression(candidate):
            return expression, expression
    names = [candidate for candidate in candidates if candidate and len(candidate) < 60]
    return (names[0] if names else ""), ""


def closure(requirements: Iterable[str]) -> dict[str, Package]:
    """All installed distributions that ``requirements`` (PEP 508) need here, by normalised name, in its order.

    Raises:
        UsageError: one of them is not installed.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    waiting = [Requirement(text) for text in requirements]
    extras: dict[str, set[str]] = {}
    needs: dict[str, set[str]] = {}
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        asked = {"", *requirement.extras} - extras.get(name, set())
        extras.setdefault(name, set()).update(asked)
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError as error:
            raise UsageError(f"{name} is not installed, so its licence cannot be read. Install the extras.") from error
        for extra in asked:
            for text in lines:
                found = Requirement(text)
                if found.marker is None and extra:
                    continue  # counted with the extra ''
                if found.marker is None or found.marker.evaluate({"extra": extra}):
                    needs.setdefault(name, set()).add(canonicalize_name(found.name))
                    waiting.append(found)
    return {name: _package(name, needs.get(name, set())) for name in sorted(extras)}


def _package(name: str, needs: set[str]) -> Package:
    licence, expression = licence_of(name)
    about: Any = metadata.metadata(name)
    summary = (about.get("Summary") or "").strip()
    return Package(name, metadata.version(name), licence, expression, summary, tuple(sorted(needs)))


def requirements() -> dict[str, list[str]]:
    """What the project asks for: ``runtime`` (the base install) and each extra, from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {BASE: project["dependencies"], **project["optional-dependencies"]}


def table(packages: Iterable[Package]) -> str:
    """A Markdown table: name, version, licence."""
    rows = [f"| {item.name} | {item.version} | {item.licence or 'unknown'} |" for item in packages]
    return "\n".join(["| package | version | licence |", "|---|---|---|", *rows])


def check(packages: Iterable[Package]) -> None:
    """Raises LicenceError, naming all packages that may not be dependencies."""
    faults = [f"{item.name} {item.version}: {item.fault}" for item in packages if item.fault]
    if faults:
        raise LicenceError("\n  ".join([f"{len(faults)} dependencies cannot be shipped with:", *faults]))


def add_parser(commands: Any) -> None:
    """Add ``licences`` to the commands of ``python -m eval``."""
    parser = commands.add_parser("licences", help="licences of what the runtime and each extra need, as Markdown")
    parser.add_argument("--extra", action="append", metavar="NAME", help="only this extra (may be given several times)")
    parser.add_argument("--sbom", type=Path, metavar="FILE", help="write all of it there as a CycloneDX document, too")


def run(arguments: argparse.Namespace) -> None:
    """Print the tables, and write the CycloneDX document if one is asked for.

    Raises:
        UsageError: an extra is unknown or not installed. LicenceError: a licence is copyleft or unknown.
    """
    asked = requirements()
    names = arguments.extra or list(asked)
    if unknown := sorted(set(names) - set(asked)):
        raise UsageError(f"No extra is called {unknown[0]!r}. Known: {', '.join(asked)}.")
    base = closure(asked[BASE])
    everything = dict(base)
    for name in names:
        found = closure(asked[name])
        more = [item for key, item in found.items() if name == BASE or key not in base]
        sys.stdout.write(f"## {name}{'' if name == BASE else ' (besides the runtime)'}\n\n{table(more)}\n\n")
        everything |= found
    if arguments.sbom:
        from eval.sbom import environment_sbom

        write_file(arguments.sbom, environment_sbom())
    check(everything.values())
