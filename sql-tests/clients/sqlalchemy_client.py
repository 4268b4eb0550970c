"""SQLAlchemy with three drivers: tables made, an ORM's round trip, reflection."""

import asyncio
import datetime
import decimal
import enum
import os
import sys
import uuid

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import create_async_engine


class Base(orm.DeclarativeBase):
    pass


class Mood(enum.Enum):
    sad = "sad"
    happy = "happy"


class Author(Base):
    __tablename__ = "authors"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(100), index=True)
    mood: orm.Mapped[Mood | None]
    born: orm.Mapped[datetime.date | None]
    created: orm.Mapped[datetime.datetime] = orm.mapped_column(sa.DateTime(timezone=True), server_default=sa.func.now())
    active: orm.Mapped[bool] = orm.mapped_column(default=True)
    code: orm.Mapped[uuid.UUID] = orm.mapped_column(unique=True)
    about: orm.Mapped[dict] = orm.mapped_column(pg.JSONB, default=dict)
    tags: orm.Mapped[list[str]] = orm.mapped_column(pg.ARRAY(sa.Text), default=list)
    books: orm.Mapped[list["Book"]] = orm.relationship(back_populates="author", cascade="all, delete-orphan", order_by="Book.title")


class Book(Base):
    __tablename__ = "books"
    __table_args__ = (
        sa.UniqueConstraint("author_id", "title", name="books_once"),
        sa.CheckConstraint("id > 0", name="books_positive"),
        {"comment": "what was written"},
    )
    id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, sa.Identity(), primary_key=True)
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey("authors.id", ondelete="CASCADE"))
    title: orm.Mapped[str] = orm.mapped_column(sa.Text, comment="as printed")
    price: orm.Mapped[decimal.Decimal | None] = orm.mapped_column(sa.Numeric(10, 2))
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")


def code(n: int) -> uuid.UUID:
    return uuid.UUID(int=n)


def round_trip(session: orm.Session) -> None:
    ada = Author(name="Ada", mood=Mood.happy, born=datetime.date(1815, 12, 10), code=code(1), about={"k": [1, None]}, tags=["x", "y z"])
    ada.books = [Book(title=f"Notes {n}", price=decimal.Decimal(n) / 2) for n in range(1, 6)]
    session.add_all([ada, *[Author(name=f"Author {n}", code=code(n), active=n % 2 == 0) for n in range(2, 30)]])
    session.commit()
    print(ada.id, len(ada.books), ada.created.tzinfo is not None)
    session.expunge_all()

    ada = session.scalars(sa.select(Author).options(orm.selectinload(Author.books)).where(Author.name == "Ada")).one()
    print(ada.mood, ada.born, ada.active, ada.code, ada.about, ada.tags, [(book.title, book.price) for book in ada.books])
    ada.books.pop()
    ada.about = {"changed": True}
    ada.tags = [*ada.tags, "new"]
    session.commit()
    rows = sa.select(Author.name, sa.func.count(Book.id), sa.func.sum(Book.price)).join(Book).group_by(Author.name)
    print(session.execute(rows).all())
    print(session.scalars(sa.select(Author.id).where(Author.active, Author.name.ilike("AUTHOR%")).order_by(Author.id.desc()).limit(3).offset(1)).all())
    print(session.scalars(sa.select(Author.name).where(Author.about["changed"].as_boolean())).all())
    print(session.scalars(sa.select(Author.name).where(Author.tags.any("new"))).all())
    print(session.scalars(sa.select(Author.name).where(Author.id.in_([1, 3, 77])).order_by(Author.name)).all())
    print(session.execute(sa.select(sa.func.count()).select_from(sa.select(Author).distinct(Author.active).subquery())).scalar())
    ranked = sa.select(Book.title, sa.func.rank().over(order_by=Book.price.desc()).label("rank")).subquery()
    print(session.execute(sa.select(ranked).where(ranked.c.rank <= 2)).all())
    print(session.execute(sa.select(sa.extract("year", Author.born), sa.case((Author.active, "yes"), else_="no")).where(Author.id == 1)).all())
    upsert = pg.insert(Author).values(name="Ada L.", code=code(1), active=True, about={}, tags=[])
    upsert = upsert.on_conflict_do_update(index_elements=[Author.code], set_={"name": upsert.excluded.name}).returning(Author.id, Author.name)
    print(session.execute(upsert).all())
    print(session.execute(sa.update(Author).where(Author.id > 20).values(active=False)).rowcount)
    session.commit()
    try:
        session.add(Book(author_id=4711, title="orphan"))
        session.commit()
    except sa.exc.IntegrityError as error:
        session.rollback()
        print(getattr(error.orig, "sqlstate", None) or error.orig.pgcode)
    with session.begin_nested() as nested:
        session.add(Author(name="lost", code=code(1000)))
        session.flush()
        nested.rollback()
    print(session.scalar(sa.select(sa.func.count()).where(Author.name == "lost")))
    session.delete(session.get(Author, 1))
    session.commit()
    print(session.scalar(sa.select(sa.func.count()).select_from(Book)))


def reflect(connection: sa.Connection) -> None:
    about = sa.inspect(connection)
    print(about.get_schema_names(), sorted(about.get_table_names()), about.get_view_names(), about.has_table("books"))
    for table in ("authors", "books"):
        for column in about.get_columns(table):
            print(table, column["name"], repr(column["type"]), column["nullable"], column["default"], column.get("identity"), column["comment"])
        print(about.get_pk_constraint(table))
        print(about.get_foreign_keys(table))
        print(about.get_indexes(table))
        print(about.get_unique_constraints(table), about.get_check_constraints(table), about.get_table_comment(table))
    print(about.get_enums())
    reflected = sa.MetaData()
    reflected.reflect(connection)
    print([(table.name, [column.name for column in table.columns]) for table in reflected.sorted_tables])


def whole(connection: sa.Connection) -> None:
    Base.metadata.create_all(connection)
    Base.metadata.create_all(connection)
    connection.commit()
    round_trip(orm.Session(connection))
    connection.commit()
    reflect(connection)
    Base.metadata.drop_all(connection)
    connection.commit()
    print(sa.inspect(connection).get_table_names())


async def asynchronous(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(whole)
    await engine.dispose()


driver = sys.argv[1]
url = f"postgresql+{driver}://{os.environ['PGUSER']}@{os.environ['PGHOST']}:{os.environ['PGPORT']}/{os.environ['PGDATABASE']}"
if driver == "asyncpg":
    asyncio.run(asynchronous(url))
else:
    with sa.create_engine(url).connect() as connection:
        print(connection.dialect.server_version_info >= (13,), connection.dialect.default_schema_name)
        whole(connection)
