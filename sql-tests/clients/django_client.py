"""Django: migrations that are made and run, its ORM, an older migration undone, inspectdb."""

import datetime
import decimal
import io
import os
import sys
import tempfile
import uuid
from pathlib import Path

# A project of one application, in a directory that goes away.
place = Path(tempfile.mkdtemp())
(place / "library" / "migrations").mkdir(parents=True)
(place / "library" / "__init__.py").touch()
(place / "library" / "migrations" / "__init__.py").touch()
MODELS = """
import uuid
from django.contrib.postgres.fields import ArrayField
from django.db import models

class Author(models.Model):
    name = models.CharField(max_length=100, unique=True)
    born = models.DateField(null=True)
    created = models.DateTimeField(auto_now_add=True)
    active = models.BooleanField(default=True)
    code = models.UUIDField(default=uuid.uuid4, db_index=True)
    about = models.JSONField(default=dict)
    tags = ArrayField(models.TextField(), default=list)

    class Meta:
        ordering = ["id"]

class Book(models.Model):
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    title = models.TextField()
    price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    length = models.DurationField(null=True)
    cover = models.BinaryField(null=True)
    stars = models.PositiveSmallIntegerField(default=0)
    readers = models.ManyToManyField("Reader")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["author", "title"], name="book_once"),
            models.CheckConstraint(condition=models.Q(stars__lte=5), name="book_stars"),
        ]
        indexes = [models.Index(fields=["-price", "title"], name="book_price")]

class Reader(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField()
"""
CHANGED = MODELS.replace("stars = models", "rating = models").replace("stars__lte", "rating__lte").replace(
    "email = models.EmailField()", "email = models.EmailField(unique=True)\n    age = models.IntegerField(default=18)"
).replace("title = models.TextField()", "title = models.CharField(max_length=300)").replace(
    "born = models.DateField(null=True)", "born = models.DateTimeField(null=True)"
)
sys.path.insert(0, str(place))

import django  # noqa: E402
from django.conf import settings  # noqa: E402

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "library"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["PGDATABASE"],
            "USER": os.environ["PGUSER"],
            "HOST": os.environ["PGHOST"],
            "PORT": os.environ["PGPORT"],
            "OPTIONS": {"pool": False},
        }
    },
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
from django.core.management import call_command  # noqa: E402


def command(*words: str) -> str:
    out = io.StringIO()
    call_command(*words, stdout=out, no_color=True)
    return out.getvalue()


if sys.argv[1:] == ["change"]:
    place = Path(os.environ["PLACE"])
    sys.path.insert(0, str(place))
    django.setup()
    print(command("makemigrations", "library", "--noinput", "-v", "0", "-n", "changed"), command("migrate", "-v", "0"))
    from django.db import connection
    from library.models import Book, Reader

    print(list(Book.objects.order_by("id").values_list("title", "rating")), Reader.objects.values_list("age").distinct().get())
    print(command("migrate", "library", "0001", "-v", "0"))
    command("migrate", "-v", "0")
    with connection.cursor() as cursor:
        for table in ("library_author", "library_book", "library_reader"):
            print([tuple(column) for column in connection.introspection.get_table_description(cursor, table)])
            constraints = connection.introspection.get_constraints(cursor, table)
            print(sorted((sorted(c["columns"] or []), c["primary_key"], c["unique"], c["index"], c["check"], c["foreign_key"]) for c in constraints.values()))
            print(sorted(connection.introspection.get_sequences(cursor, table), key=str))
    print(command("inspectdb", "library_author", "library_book", "library_reader"))
    sys.exit()

(place / "library" / "models.py").write_text(MODELS)
django.setup()
print(command("makemigrations", "library", "--noinput", "-v", "0"), command("migrate", "-v", "0"))
print(command("showmigrations", "library"), command("makemigrations", "--check", "--dry-run"))

from django.contrib.auth.models import Permission, User  # noqa: E402
from django.db import DatabaseError, IntegrityError, connection, models, transaction  # noqa: E402
from django.db.models import functions  # noqa: E402
from library.models import Author, Book, Reader  # noqa: E402

print(Permission.objects.count())
user = User.objects.create_user("ada", password="secret")
print(user.id, user.check_password("secret"), User.objects.filter(username__icontains="AD", date_joined__lte=functions.Now()).exists())

ada = Author.objects.create(name="Ada", born=datetime.date(1815, 12, 10), code=uuid.UUID(int=1), about={"k": [1, {"d": None}]}, tags=["x", "y z"])
Author.objects.bulk_create([Author(name=f"Author {n}", active=n % 2 == 0, code=uuid.UUID(int=n)) for n in range(2, 30)])
books = Book.objects.bulk_create(
    [Book(author=ada, title=f"Notes {n}", price=decimal.Decimal(n) / 2, length=datetime.timedelta(days=n, seconds=5), cover=bytes([n, 0]), stars=n % 6) for n in range(1, 9)]
)
print([book.pk for book in books])
readers = [Reader.objects.create(id=uuid.UUID(int=n), email=f"r{n}@example.org") for n in range(1, 4)]
books[0].readers.set(readers)
ada = Author.objects.prefetch_related("books__readers").get(name="Ada")
print(ada.born, ada.active, ada.code, ada.about, ada.tags, ada.created.tzinfo)
print([(b.title, b.price, b.length, bytes(b.cover), b.stars, b.readers.count()) for b in ada.books.order_by("id")])
for query in (
    Author.objects.filter(name__istartswith="aUTHOR 1", active=True).values_list("name"),
    Author.objects.filter(name__contains="or 2").exclude(name__endswith="5").values_list("id"),
    Author.objects.filter(name__regex=r"^A.*[35]$").values_list("name"),
    Author.objects.filter(about__k__0=1).values_list("name"),
    Author.objects.filter(about__has_key="k").values_list("name"),
    Author.objects.filter(tags__contains=["x"]).values_list("name"),
    Author.objects.filter(born__year=1815, born__month__gte=12).values_list("name"),
    Author.objects.filter(books__price__gt=2).distinct().annotate(n=models.Count("books"), most=models.Max("books__price")).values_list("name", "n", "most"),
    Book.objects.annotate(up=functions.Upper("title"), part=functions.Substr("title", 1, 3)).order_by("-price").values_list("up", "part")[1:3],
    Book.objects.annotate(total=models.Window(models.Sum("price"), order_by="id")).values_list("title", "total")[:3],
    Book.objects.annotate(twice=models.F("price") * 2 + 1).filter(twice__lt=4).order_by("id").values_list("twice"),
    Book.objects.values("author__name").annotate(average=models.Avg("price"), total=models.Sum("length")).values_list("author__name", "average", "total"),
    Book.objects.annotate(month=functions.TruncMonth("author__created")).values_list("month", flat=True).filter(month=functions.TruncMonth(functions.Now())).distinct().values_list("author_id"),
    Author.objects.annotate(has=models.Exists(Book.objects.filter(author=models.OuterRef("pk")))).filter(has=True).values_list("name"),
    Author.objects.order_by("active", "id").distinct("active").values_list("name"),
    Book.objects.annotate(kind=models.Case(models.When(stars__gt=3, then=models.Value("good")), default=models.Value("poor"))).order_by("id").values_list("kind"),
    Author.objects.filter(code__in=[uuid.UUID(int=2), uuid.UUID(int=3)]).union(Author.objects.filter(id=9)).values_list("name").order_by("name"),
    Author.objects.annotate(all=functions.Concat("name", models.Value("/"), functions.Cast("id", models.TextField()), output_field=models.TextField())).values_list("all")[:2],
):
    print(list(query))
print(Book.objects.aggregate(models.Sum("price"), models.Min("length"), models.StdDev("stars")))
print(Book.objects.filter(stars=5).update(price=models.F("price") + 1), Author.objects.filter(id__gt=25).delete())
print(Author.objects.get_or_create(name="New", defaults={"code": uuid.UUID(int=99)})[1], Author.objects.update_or_create(name="New", defaults={"active": False})[1])
print(len(Book.objects.bulk_create([Book(author=ada, title="Notes 1"), Book(author=ada, title="Other")], ignore_conflicts=True)), Book.objects.count())
for wrong in (dict(author=ada, title="Notes 1"), dict(author_id=4711, title="orphan"), dict(author=ada, title="stars", stars=6), dict(author=ada, title=None)):
    try:
        with transaction.atomic():
            Book.objects.create(**wrong)
            connection.check_constraints()
    except (IntegrityError, DatabaseError) as error:
        print(type(error).__name__, error.__cause__.sqlstate)
with transaction.atomic():
    print(Book.objects.select_for_update().get(title="Notes 2").price)
    sid = transaction.savepoint()
    Reader.objects.create(email="lost@example.org")
    transaction.savepoint_rollback(sid)
print(Reader.objects.count(), sum(book.pk for book in Book.objects.iterator(chunk_size=3)))
print(sorted(connection.introspection.table_names()))
print(Author.objects.all().explain() != "")
connection.close()

# The models change, in another process; the tables follow, and go back.
import subprocess  # noqa: E402

(place / "library" / "models.py").write_text(CHANGED)
answers = "y\n"
from library import migrations  # noqa: E402, F401

(place / "library" / "migrations" / "0002_rename.py").write_text(
    """
from django.db import migrations, models
class Migration(migrations.Migration):
    dependencies = [("library", "0001_initial")]
    operations = [
        migrations.RemoveConstraint("book", "book_stars"),
        migrations.RenameField("book", "stars", "rating"),
        migrations.AddConstraint("book", models.CheckConstraint(condition=models.Q(rating__lte=5), name="book_stars")),
    ]
"""
)
done = subprocess.run([sys.executable, __file__, "change"], env={**os.environ, "PLACE": str(place)}, capture_output=True, text=True)
print(done.stdout)
print(done.stderr[-3000:], file=sys.stderr)
sys.exit(done.returncode)
