"""``deployments/postgres/init.sql``, generated from the tables: what a PostgreSQL needs before the first engine."""

from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from engine.store.metadata import METADATA
from engine.store.tables import READABLE_BY, SCHEMA_VERSION, TABLES

HEAD = """-- The journal's schema, made by: python -m engine.store init-sql > deployments/postgres/init.sql
-- Run once as the owner of an empty database; an engine also makes it by itself. Running it again changes nothing.

BEGIN;
"""


def init_sql() -> str:
    """The script: tables, indexes, and the version that Alembic goes on from."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    parts = [HEAD]
    for table in TABLES:
        built = METADATA.tables[table.name]
        create = str(CreateTable(built, if_not_exists=True).compile(dialect=dialect)).strip()
        about = "".join(f"--   {column.name}: {column.doc}\n" for column in table.columns if column.doc)
        parts.append(f"\n-- {table.doc}\n{about}{_tidy(create)};\n")
        for index in sorted(built.indexes, key=lambda index: str(index.name)):
            statement = str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect)).strip()
            parts.append(f"{statement};\n")
    parts.append(
        "\nCREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);\n"
        f"INSERT INTO alembic_version VALUES ('{SCHEMA_VERSION}') ON CONFLICT DO NOTHING;\n"
        f"INSERT INTO meta VALUES ('schema_version', '{READABLE_BY}', 0) ON CONFLICT DO NOTHING;\n"
        f"INSERT INTO meta VALUES ('schema_revision', '{SCHEMA_VERSION}', 0) ON CONFLICT DO NOTHING;\n\nCOMMIT;\n"
    )
    return "".join(parts)


def _tidy(statement: str) -> str:
    lines = [line.strip() for line in statement.splitlines() if line.strip()]
    return "\n".join(line if line.startswith(("CREATE", ")")) else f"    {line}" for line in lines)
