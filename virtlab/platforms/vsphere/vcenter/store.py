"""Where does vCenter keep what it has acknowledged? A journal and samples in an SQL database.

Every operation is a row, committed before anybody hears of it; the inventory, its tasks and its
events are what the rows make, applied in order. A row's number is its primary key, so of two
vCenters on one database only one can write the next row, and the other is told.

SQLite by default, with a write-ahead log that is on the disk before a commit returns
(`synchronous=FULL`: "Pragma statements supported by SQLite", sqlite.org); PostgreSQL by its URL,
with what it does by default (`synchronous_commit=on`: PostgreSQL 15 manual, "Asynchronous Commit").
The tables are made and changed by the migrations beside this file, through Alembic.

    store = Store("sqlite:///vcenter.db")
    store = Store("postgresql://user@localhost/vcenter")
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sql
from alembic import command
from alembic.config import Config
from sqlalchemy.pool import StaticPool

from virtlab.platforms.vsphere.inventory import Operation

PAGE = 1000  # rows read at once

METADATA = sql.MetaData()
OPERATION = sql.Table(
    "operation",
    METADATA,
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("time", sql.Double, nullable=False),
    sql.Column("kind", sql.String(64), nullable=False),
    sql.Column("target", sql.String(256), nullable=False),
    sql.Column("arguments", sql.JSON, nullable=False),
    sql.Column("user", sql.String(256), nullable=False, server_default=""),
)
SAMPLE = sql.Table(
    "sample",
    METADATA,
    sql.Column("time", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("entity", sql.String(64), primary_key=True),
    sql.Column("counter", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("value", sql.BigInteger, nullable=False),
)
ABOUT = sql.Table(
    "about",
    METADATA,
    sql.Column("name", sql.String(64), primary_key=True),
    sql.Column("value", sql.String(256), nullable=False),
)


class StoreError(Exception):
    """The database did not do what it was asked for; one sentence."""


class TakenError(StoreError):
    """Somebody else has written the journal's next operation."""


class Store:
    """A journal of operations and the newest samples, in a database.

    Parameters
    ----------
    url : SQLAlchemy's URL of the database; "sqlite://" keeps it in memory, and so not at all

    Attributes
    ----------
    instance : str, a UUID that the database got when it was made
    began : datetime, second 0 of everything in it

    Raises
    ------
    ValueError : this is no URL of a database that can be used
    StoreError : the database cannot be reached, or its tables cannot be made
    """

    def __init__(self, url: str = "sqlite://"):
        try:
            self.engine = _engine(url)
        except (sql.exc.ArgumentError, sql.exc.NoSuchModuleError, ImportError) as error:
            raise ValueError(
                f"{url!r} is no database; accepted are sqlite:///FILE and postgresql://HOST/NAME "
                f"({_first_line(error)})."
            ) from None
        try:
            migrate(self.engine)
            self.instance = self._about("instance", str(uuid.uuid4()))
            now = datetime.now(UTC).replace(microsecond=0).isoformat()
            self.began = datetime.fromisoformat(self._about("began", now))
        except sql.exc.SQLAlchemyError as error:
            self.engine.dispose()
            raise StoreError(f"The database cannot be used: {_first_line(error)}.") from None

    def _about(self, name: str, first: str) -> str:
        """What the database says of itself; `first` if it has not said anything yet."""
        with self.engine.begin() as connection:
            found = connection.scalar(sql.select(ABOUT.c.value).where(ABOUT.c.name == name))
            if found is None:
                connection.execute(ABOUT.insert().values(name=name, value=first))
                found = first
        return found

    def append(
        self, operations: Iterable[Operation], samples: Iterable[tuple] = (), since: int = 0
    ) -> None:
        """Commit operations and samples (time, entity, counter, value), all of them or none.

        Samples from before second `since` are forgotten.

        Raises
        ------
        TakenError : the number of one is in the journal already
        StoreError : they could not be committed, or it is not known whether they were
        """
        operations = [vars(one) for one in operations]
        names = ("time", "entity", "counter", "value")
        samples = [dict(zip(names, one, strict=True)) for one in samples]
        try:
            with self.engine.begin() as connection:
                if operations:
                    connection.execute(OPERATION.insert(), operations)
                if samples:
                    connection.execute(SAMPLE.insert(), samples)
                    connection.execute(SAMPLE.delete().where(SAMPLE.c.time < since))
        except sql.exc.IntegrityError:
            raise TakenError("Another vCenter has changed this database meanwhile.") from None
        except sql.exc.SQLAlchemyError as error:
            raise StoreError(f"The database did not keep it: {_first_line(error)}.") from None

    def operations(self, after: int = 0) -> list[Operation]:
        """The journal from the operation after number `after` on.

        Raises
        ------
        StoreError : the database cannot be read
        """
        query = sql.select(OPERATION).where(OPERATION.c.number > after).order_by(OPERATION.c.number)
        return [Operation(**row) for row in self._read(query)]

    def samples(self) -> list[tuple[int, str, int, int]]:
        """All samples (time, entity, counter, value), by time.

        Raises
        ------
        StoreError : the database cannot be read
        """
        query = sql.select(SAMPLE).order_by(SAMPLE.c.time)
        return [tuple(row.values()) for row in self._read(query)]

    def _read(self, query) -> list[dict]:
        try:
            with self.engine.connect() as connection:
                rows = connection.execution_options(yield_per=PAGE).execute(query)
                return [dict(row) for row in rows.mappings()]
        except sql.exc.SQLAlchemyError as error:
            raise StoreError(f"The database cannot be read: {_first_line(error)}.") from None

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()


def _engine(url: str) -> sql.Engine:
    made = sql.make_url(url)
    kind = made.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise sql.exc.ArgumentError(f"{kind} is neither")
    if kind == "postgresql":
        return sql.create_engine(made.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    if made.database in (None, "", ":memory:"):
        # One connection is the one database, whichever thread asks.
        shared = {"poolclass": StaticPool, "connect_args": {"check_same_thread": False}}
        return sql.create_engine(made, **shared)
    engine = sql.create_engine(made)
    sql.event.listen(engine, "connect", _write_ahead)
    return engine


def _write_ahead(connection, record) -> None:
    """Readers do not wait for the writer, and a commit is on the disk when it returns."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def migrate(engine: sql.Engine, revision: str = "head") -> None:
    """Bring a database's tables to a revision of the migrations, the newest if none is given."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def _first_line(error: Exception) -> str:
    """What went wrong, without SQLAlchemy's statement and its links."""
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
