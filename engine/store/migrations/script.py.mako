"""${message}."""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    # end with: op.execute("UPDATE meta SET value = '${up_revision}' WHERE name = 'schema_version'"),
    # and change tables.py and its SCHEMA_VERSION in the same commit; the tests compare all of them
    ${upgrades if upgrades else "return None"}


def downgrade() -> None:
    ${downgrades if downgrades else "return None"}
