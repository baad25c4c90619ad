"""Whether a release can take over what lies on a host: its journal's schema, its config, its environment. Pure.

Looked at before anything is switched, since a release that cannot read the journal would be started in vain.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from mmctl.fleet.errors import Refused

NEWEST = re.compile(r'^SCHEMA_VERSION\b[^="]*=\s*"([0-9A-Za-z]+)"', re.MULTILINE)
OLDEST = re.compile(r'^UPGRADES_FROM\b[^="]*=\s*"([0-9A-Za-z]+)"', re.MULTILINE)
#: The first revision there was: where a release does not say from which it upgrades, it has every migration.
FIRST = "0001"
#: What stands in place of an environment where the operator's own is used.
OPERATORS_ENV = "operator"


@dataclass(frozen=True, slots=True)
class SchemaRange:
    """Revisions of the journal a release can work with: it upgrades from ``oldest``, and its own is ``newest``.

    ``newest`` is empty where it is not known.
    """

    oldest: str = ""
    newest: str = ""


UNKNOWN = SchemaRange()


@dataclass(frozen=True, slots=True)
class JournalFact:
    """A journal as it lies on a host. ``readable_by``: the least revision a release must know; both are empty where
    there is none yet. ``problem``: why it could not be looked at."""

    readable_by: str = ""
    revision: str = ""
    problem: str = ""


def range_in(tables: str) -> SchemaRange:
    """The range that the source of ``engine/store/tables.py`` declares; an empty one where it declares none."""
    newest = NEWEST.search(tables)
    if newest is None:
        return UNKNOWN
    oldest = OLDEST.search(tables)
    return SchemaRange(oldest.group(1) if oldest else FIRST, newest.group(1))


def unreadable(release: str, range_: SchemaRange, journal: JournalFact) -> str | None:
    """Why ``release`` cannot work with ``journal``; None when it can, or when there is no journal yet."""
    if journal.problem:
        return f"the journal's schema cannot be told: {journal.problem}"
    if not journal.revision:
        return None
    if not range_.newest:
        return f"which schema of the journal {release} can read is not known; the journal has {journal.revision}"
    if journal.readable_by > range_.newest:
        return (
            f"the journal has schema {journal.revision}, which releases from schema {journal.readable_by} on can read, "
            f"and {release} knows {range_.newest}"
        )
    if journal.revision < range_.oldest:
        return f"the journal has schema {journal.revision}, and {release} upgrades from {range_.oldest} on"
    return None


def parse_release(text: str) -> tuple[SchemaRange, str | None]:
    """From one ``schema=`` line of a host's facts: the range, and the journal's path ("" = on a server, None = it does
    not say)."""
    try:
        told = json.loads(text)
        path = told.get("journal")
        return SchemaRange(str(told.get("oldest") or ""), str(told.get("newest") or "")), (
            path if isinstance(path, str) else None
        )
    except (ValueError, AttributeError):
        return UNKNOWN, None


def parse_journals(lines: Iterable[str]) -> dict[str, JournalFact]:
    """From the ``journal=`` lines of a host's facts: by path what was found there."""
    found: dict[str, JournalFact] = {}
    for line in lines:
        try:
            told = json.loads(line)
            texts = (str(told.get(key) or "") for key in ("readable_by", "revision", "problem"))
            found[str(told["path"])] = JournalFact(*texts)
        except (ValueError, AttributeError, KeyError, TypeError):
            continue
    return found


def unfinished(env: str, envs: Collection[str]) -> str | None:
    """Why a release with the environment ``env`` cannot start where ``envs`` are complete; None when it can."""
    if not env or env == OPERATORS_ENV or env in envs:
        return None
    return f"the release's environment shared/envs/{env} is not there any more; deploy its sources again"


def from_rows(answer: Mapping[str, object]) -> JournalFact:
    """From a server's answer to ``schemas.QUESTION``. A journal that has no table ``meta`` yet is a new one."""
    if problem := answer.get("error"):
        return JournalFact() if 'relation "meta" does not exist' in str(problem) else JournalFact(problem=str(problem))
    rows = answer["rows"]
    if not isinstance(rows, list):
        raise ValueError("the host did not answer the question")
    meta = {str(name): str(value) for name, value in rows}
    return JournalFact(meta.get("schema_version", ""), max(meta.values(), default=""))


def require(reasons: Mapping[str, str | None]) -> None:
    """Raise Refused (7) with every host's reason, where there is one."""
    known = [f"{host}: {why}" for host, why in reasons.items() if why is not None]
    if known:
        raise Refused(
            "\n".join(known),
            "nothing was changed; deploy a release that knows this schema, or restore a backup from before it",
        )
