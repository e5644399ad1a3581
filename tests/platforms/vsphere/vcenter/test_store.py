"""Is what the database has acknowledged there afterwards, whatever happened in between?"""

import pytest
import sqlalchemy as sql

from virtlab.platforms.vsphere.inventory import ROOT, Operation
from virtlab.platforms.vsphere.vcenter import Store, StoreError, TakenError, VCenter, furnish
from virtlab.platforms.vsphere.vcenter import store as module


def same(one: VCenter, other: VCenter) -> bool:
    """Whether two have the same objects, tasks, events, alarms, samples and time."""
    return all(
        (
            one.inventory.snapshot() == other.inventory.snapshot(),
            one.inventory.tasks == other.inventory.tasks,
            one.inventory.events == other.inventory.events,
            one.inventory.alarms == other.inventory.alarms,
            one.samples._kept == other.samples._kept,
            one.time == other.time,
        )
    )


def test_a_second_vcenter_on_the_database_has_all_of_it(database):
    vcenter = VCenter(database)
    made = furnish(vcenter, hosts=3, vms=6, user="somebody")
    for _ in range(3):
        vcenter.step()
    vcenter.submit("MigrateVM", made["vm-01"], user="somebody", host=made["esx-03.lab"])
    assert vcenter.submit("PowerOnVM", made["vm-01"]).fault == "InvalidPowerState"
    vcenter.fail(made["esx-01.lab"])
    assert any("does not respond" in text for text in vcenter.step())
    vcenter.close()
    again = VCenter(database)
    assert same(vcenter, again)
    assert again.store.instance == vcenter.store.instance
    assert {event.user for event in again.inventory.events} >= {"somebody", "vSphere HA"}
    again.step()
    assert again.time == vcenter.time + 300
    again.close()


def test_an_old_database_is_migrated_with_what_is_in_it(database):
    engine = module._engine(database)
    module.migrate(engine, "m0001")
    with engine.begin() as connection:
        assert not sql.inspect(connection).has_table("sample")
        row = "1, 5.0, 'CreateDatacenter', 'group-d1', '{\"name\": \"old\"}'"
        connection.execute(sql.text(f"INSERT INTO operation VALUES ({row})"))
    engine.dispose()
    store = Store(database)
    assert store.operations() == [Operation(1, 5.0, "CreateDatacenter", ROOT, {"name": "old"}, "")]
    store.append([], [(300, "host-1", 2, 7)])
    assert store.samples() == [(300, "host-1", 2, 7)]
    store.close()


def test_the_migrations_make_the_tables_that_the_store_uses(database):
    store = Store(database)
    found = sql.inspect(store.engine)
    for table in module.METADATA.sorted_tables:
        columns = {column["name"]: column for column in found.get_columns(table.name)}
        assert set(columns) == {column.name for column in table.columns}
        for column in table.columns:
            assert columns[column.name]["nullable"] == column.nullable
        key = found.get_pk_constraint(table.name)["constrained_columns"]
        assert set(key) == {column.name for column in table.primary_key}
    store.close()


def test_operations_and_samples_are_kept_together_or_not_at_all(database):
    store = Store(database)
    one, two = (Operation(n, 0.0, "PowerOnVM", "vm-1", {}, "") for n in (1, 2))
    store.append([one], [(300, "vm-1", 2, 1)])
    with pytest.raises(TakenError):
        store.append([two, one], [(600, "vm-1", 2, 2)])
    assert store.operations() == [one]
    assert store.samples() == [(300, "vm-1", 2, 1)]
    store.append([], [(600, "vm-1", 2, 3)], since=301)
    assert store.samples() == [(600, "vm-1", 2, 3)]
    store.close()


def test_of_two_vcenters_on_a_database_the_later_one_hears_of_the_other(database):
    first, second = VCenter(database), VCenter(database)
    assert first.submit("CreateDatacenter", ROOT, name="a").state == "success"
    with pytest.raises(StoreError, match="Another vCenter"):
        second.submit("CreateDatacenter", ROOT, name="b")
    assert [one.name for one in second.inventory.of("Datacenter")] == ["a"]
    assert second.submit("CreateDatacenter", ROOT, name="b").state == "success"
    first.close()
    second.close()


def test_what_could_not_be_kept_has_not_happened(furnished, monkeypatch):
    vcenter, made = furnished
    before, n = vcenter.inventory.snapshot(), len(vcenter.inventory.journal)

    def full(*rows):
        raise StoreError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(vcenter.store, "append", full)
        for change in (
            lambda: vcenter.submit("PowerOffVM", made["vm-01"]),
            vcenter.step,
        ):
            with pytest.raises(StoreError, match="disk is full"):
                change()
            assert vcenter.inventory.snapshot() == before
            assert len(vcenter.inventory.journal) == n
    assert vcenter.time == 0
    assert vcenter.submit("PowerOffVM", made["vm-01"]).state == "success"


def test_an_operation_that_was_kept_after_all_is_found(furnished, monkeypatch):
    vcenter, made = furnished
    append = vcenter.store.append

    def lose_the_answer(*operations):
        append(*operations)
        raise StoreError("The connection is gone.")

    with monkeypatch.context() as patch:
        patch.setattr(vcenter.store, "append", lose_the_answer)
        with pytest.raises(StoreError):
            vcenter.submit("PowerOffVM", made["vm-01"])
    assert vcenter.submit("PowerOffVM", made["vm-01"]).fault == "InvalidPowerState"


def test_a_database_that_was_away_is_found_again(postgresql):
    vcenter = VCenter(postgresql.new_database("restarted"))
    vcenter.submit("CreateDatacenter", ROOT, name="a")
    postgresql.restart()
    vcenter.submit("CreateDatacenter", ROOT, name="b")
    assert [one.name for one in vcenter.inventory.of("Datacenter")] == ["a", "b"]
    vcenter.close()


@pytest.mark.parametrize("url", ["", "lab.db", "mysql://host/name", "nothing://x"])
def test_what_is_no_database_is_refused_in_a_sentence(url):
    with pytest.raises(ValueError, match=r"accepted are sqlite:///FILE and postgresql://HOST/NAME"):
        Store(url)


@pytest.mark.parametrize(
    "url", ["sqlite:////nonexistent/folder/x.db", "postgresql://nobody@localhost:1/x"]
)
def test_a_database_out_of_reach_is_told_in_a_sentence(url):
    with pytest.raises(StoreError, match=r"^The database cannot be used: .*\.$") as told:
        Store(url)
    assert "\n" not in str(told.value)
