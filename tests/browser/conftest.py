"""What the tests of this folder share: a tab on the built site."""

import pytest
from visitor import Visit, served


@pytest.fixture(scope="module")
def visit(browser, site):
    with served(site) as base:
        visit = Visit(browser, base)
        yield visit
        assert not visit.errors
        assert not visit.outside()
        visit.close()
