"""Can a person work with vCenter's page: by keyboard, narrow, dark, and with no other request?"""

from pathlib import Path

import pytest
from served import PASSWORD

pytestmark = pytest.mark.browser

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture
def tab(browser, served):
    """A tab on the server's page, which may ask nobody else; it collects what goes wrong."""
    server, _ = served
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.asked, page.wrong = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on("console", lambda said: said.type == "error" and page.wrong.append(said.text))
    page.goto(server.url)
    yield page
    assert all(url.startswith((server.url, "data:")) for url in page.asked), page.asked
    unwanted = [text for text in page.wrong if "status of 40" not in text]
    assert not unwanted, unwanted
    context.close()


def log_in(tab, password=PASSWORD):
    tab.get_by_label("User name").fill("administrator@vsphere.local")
    tab.get_by_label("Password").fill(password)
    tab.keyboard.press("Enter")


def status(tab, text):
    tab.get_by_role("status").filter(has_text=text).wait_for()


def violations(tab):
    import axe_playwright_python as package

    tab.evaluate(Path(package.__file__).with_name("axe.min.js").read_text("utf-8"))
    return tab.evaluate(
        """(tags) => axe.run({runOnly: tags, preload: false}).then(({violations}) =>
            violations.flatMap(({id, nodes}) => nodes.map(({html}) => `${id}: ${html}`)))""",
        WCAG,
    )


def test_a_wrong_password_is_said_and_the_right_one_opens(tab):
    log_in(tab, "wrong")
    tab.get_by_role("alert").filter(has_text="The user name or the password is wrong.").wait_for()
    assert not tab.locator("#view").is_visible()
    log_in(tab)
    tab.get_by_role("heading", name="Virtual machines").wait_for()
    assert tab.locator("#user").text_content() == "administrator@vsphere.local"
    assert tab.get_by_role("rowheader", name="esx-01.lab").count() == 1
    tab.get_by_role("button", name="Log out").click()
    tab.get_by_label("User name").wait_for()
    tab.reload()
    tab.get_by_label("User name").wait_for()


def test_everything_is_done_by_keyboard_and_the_focus_stays(tab, served):
    server, made = served
    log_in(tab)
    power = tab.get_by_role("button", name="Power off vm-07")
    power.focus()
    tab.keyboard.press("Enter")
    status(tab, "vm-07 is powered off.")
    tab.get_by_role("button", name="Power on vm-07").wait_for()
    assert tab.evaluate("document.activeElement.ariaLabel") == "Power on vm-07"
    tab.keyboard.press("Enter")
    status(tab, "vm-07 starts on")
    where = tab.get_by_label("Host to move vm-07 to")
    where.focus()
    home = server.vcenter.inventory.objects[made["vm-07"]].host
    tab.keyboard.press("End")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    status(tab, "vm-07 moves from")
    assert server.vcenter.inventory.objects[made["vm-07"]].host != home
    tab.get_by_role("button", name="Enter maintenance esx-02.lab").press("Enter")
    status(tab, "esx-02.lab is in maintenance mode")
    tab.get_by_role("button", name="Exit maintenance esx-02.lab").press("Space")
    status(tab, "esx-02.lab takes virtual machines again.")
    before = server.vcenter.time
    tab.get_by_role("button", name="Let five minutes pass").press("Enter")
    status(tab, "Five minutes later")
    assert server.vcenter.time == before + 300


def test_what_others_do_is_seen_without_asking(tab, served):
    server, made = served
    log_in(tab)
    tab.get_by_role("button", name="Power off vm-08").wait_for()
    server.vcenter.submit("PowerOffVM", made["vm-08"], user="somebody else")
    tab.get_by_role("button", name="Power on vm-08").wait_for()
    tab.get_by_role("row", name="somebody else vm-08 is powered off.").wait_for()
    assert tab.get_by_role("button", name="Move vm-08").get_attribute("aria-disabled") == "true"
    server.vcenter.submit("PowerOnVM", made["vm-08"])


def test_a_refusal_is_said_in_words(tab, served):
    server, made = served
    log_in(tab)
    server.vcenter.submit("PowerOffVM", made["vm-05"])
    tab.get_by_role("button", name="Power on vm-05").wait_for()
    server.vcenter.submit("ReconfigVM", made["vm-05"], memory_reservation=1 << 20)
    tab.get_by_role("button", name="Power on vm-05").press("Enter")
    status(tab, "has no other host for vm-05")
    server.vcenter.submit("ReconfigVM", made["vm-05"], memory_reservation=0)
    server.vcenter.submit("PowerOnVM", made["vm-05"])


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (320, "dark")])
def test_axe_finds_nothing_and_nothing_is_cut_off(tab, width, theme):
    tab.set_viewport_size({"width": width, "height": 900})
    tab.emulate_media(color_scheme=theme)
    found = violations(tab)
    log_in(tab)
    tab.get_by_role("rowheader", name="vm-01").wait_for()
    assert not found + violations(tab)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
