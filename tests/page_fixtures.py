"""Fixtures for tests of the page: a browser, a service, pages that must stay quiet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from strijdtaal import Classifier
from tests.devtools import Chromium, Page
from tests.page_probes import ROOT
from tests.page_service import PageService, serving


@pytest.fixture(scope="session")
def classifier(bundle: Path) -> Classifier:
    return Classifier.load(bundle)


@pytest.fixture(scope="session")
def running(classifier: Classifier, bundle: Path) -> Iterator[PageService]:
    with serving(classifier, bundle) as service:
        yield service


@pytest.fixture
def service(running: PageService) -> PageService:
    """The service, answering as it should."""
    running.reset()
    return running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    browser = Chromium()
    yield browser
    browser.close()


@pytest.fixture
def open_page(chromium: Chromium, service: PageService) -> Iterator[Callable[..., Page]]:
    """Opens the page; afterwards nothing may have been asked for outside the service, or complained of."""
    opened: list[Page] = []

    def make(fragment: str = "", **options: Any) -> Page:
        page = chromium.page(service.address + fragment, **options)
        opened.append(page)
        page.wait("document.querySelector('#model').textContent || !document.querySelector('#error').hidden")
        return page

    yield make
    for page in opened:
        page.close()
    for page in opened:
        assert page.errors == []
        assert [address for _, address in page.requests if not address.startswith((service.address, "blob:"))] == []


@pytest.fixture
def libraries(service: PageService) -> Iterator[Path]:
    """A node_modules folder with transformers.js, which the service gives to browsers during the test."""
    places = [os.environ.get("STRIJDTAAL_NODE_MODULES", ""), "eval/javascript/node_modules"]
    found = [ROOT / place for place in places if place]
    found = [folder for folder in found if (folder / "@huggingface" / "transformers" / "dist").is_dir()]
    if not found:
        pytest.skip("no transformers.js: set STRIJDTAAL_NODE_MODULES, or run npm ci in eval/javascript")
    service.libraries = found[0]
    yield found[0]
    service.libraries = None
