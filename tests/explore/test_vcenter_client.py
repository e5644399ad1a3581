"""vCenter's client in the notebook: the page's view, answered by Python."""

import json

import pytest

from virtlab.explore import vcenter_client
from virtlab.platforms.vsphere.vcenter import VCenter, furnish


@pytest.fixture
def small():
    vcenter = VCenter()
    return vcenter, furnish(vcenter, hosts=2, vms=3)


def test_its_messages_are_plain_and_do_what_they_say(small):
    vcenter, made = small
    client = vcenter_client(vcenter)
    said = client.answer({"act": {"kind": "PowerOffVM", "target": made["vm-01"]}})
    assert json.loads(json.dumps(said)) == said
    assert said["said"] == {"done": True, "text": "vm-01 is powered off."}
    assert [one["power"] for one in said["state"]["vms"]] == ["off", "on", "on"]
    assert vcenter.inventory.events[-1].user == "notebook"
    assert client.answer({})["said"] is None
    assert client.answer({"act": {"kind": "Step"}})["said"]["done"]
    wrong = client.answer({"act": {"kind": "Explode", "target": "vm-1"}})["said"]
    assert not wrong["done"] and "accepted are PowerOnVM" in wrong["text"]


def test_what_a_cell_has_done_is_shown_after_it(small, monkeypatch):
    vcenter, made = small
    client, sent = vcenter_client(vcenter), []
    monkeypatch.setattr(client, "send", sent.append)
    client.moved()
    assert not sent
    vcenter.submit("PowerOffVM", made["vm-02"])
    client.moved()
    client.moved()
    assert [one["state"]["vms"][1]["power"] for one in sent] == ["off"]


def test_a_notebook_stores_the_same_tables_each_time(small):
    pictures = set()
    for _ in range(2):
        vcenter = VCenter()
        furnish(vcenter, hosts=2, vms=3)
        vcenter.step()
        client = vcenter_client(vcenter)
        pictures.add(client.html())
        assert repr(client) == "vCenter, day 1, 00:05:00: 2 hosts, 3 VMs"
    (picture,) = pictures
    assert picture.count("<table") == 3 and "esx-02.lab" in picture


@pytest.mark.browser
def test_its_buttons_reach_python(browser, small):
    vcenter, made = small
    client = vcenter_client(vcenter)
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.expose_function("python", client.answer)
    page.set_content("<!doctype html><html lang='en'><title>x</title><div id='cell'></div></html>")
    page.evaluate(
        """async (source) => {
            const { default: widget } = await import(
                URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
            let hear;
            const model = {
                on: (name, listener) => { hear = listener; },
                off: () => {},
                send: async (message) => {
                    hear({ id: message.id, ...(await window.python(message)) });
                },
            };
            widget.render({ model, el: document.getElementById("cell") });
        }""",
        client._esm,
    )
    page.get_by_role("button", name="Power off vm-03").press("Enter")
    page.get_by_role("status").filter(has_text="vm-03 is powered off.").wait_for()
    page.get_by_role("button", name="Power on vm-03").wait_for()
    assert vcenter.inventory.objects[made["vm-03"]].power == "poweredOff"
    assert not errors
    page.close()
