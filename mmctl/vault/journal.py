"""What runs on a host against its journal: a read-only query, a consistent copy, the check of a copy. Pure text.

SQLite journals are read with the host's own Python, in read-only mode, so that a query can neither change nor block
the engine's writer. Statements travel on standard input, never on a command line.
"""

import json
from typing import Any

#: Reads {"path", "sql", "limit", "seconds"} from stdin, prints {"columns", "rows", "more"} or {"error"}.
QUERY = r"""
import json, os, sqlite3, sys, time
ask = json.load(sys.stdin)
if not os.path.exists(ask["path"]):
    print(json.dumps({"error": "there is no journal at " + ask["path"]})); sys.exit(0)
try:
    from urllib.parse import quote
    db = sqlite3.connect("file:" + quote(ask["path"]) + "?mode=ro", uri=True, timeout=2)
    db.execute("PRAGMA query_only=1")
    end = time.monotonic() + ask["seconds"]
    db.set_progress_handler(lambda: 1 if time.monotonic() > end else 0, 10000)
    cursor = db.execute(ask["sql"])
    rows = cursor.fetchmany(ask["limit"] + 1)
    names = [column[0] for column in cursor.description or ()]
    plain = lambda v: v.hex() if isinstance(v, bytes) else v
    shown = [[plain(v) for v in row] for row in rows[: ask["limit"]]]
    print(json.dumps({"columns": names, "rows": shown, "more": len(rows) > ask["limit"]}))
except (sqlite3.Error, sqlite3.Warning) as error:
    text = "it took longer than %g s" % ask["seconds"] if "interrupted" in str(error) else str(error)
    print(json.dumps({"error": text}))
"""

#: ``python3 -c COPY FROM TO``: a consistent copy of a live journal by SQLite's backup API, then closed and synced.
COPY = r"""
import os, sqlite3, sys
from urllib.parse import quote
source, target = sys.argv[1:3]
if not os.path.exists(source):
    sys.exit("there is no journal at " + source)
live = sqlite3.connect("file:" + quote(source) + "?mode=ro", uri=True, timeout=10)
copy = sqlite3.connect(target)
live.backup(copy, pages=2048, sleep=0.005)
copy.execute("PRAGMA journal_mode=DELETE")
copy.close(); live.close()
with open(target, "rb+") as file:
    os.fsync(file.fileno())
"""


def question(path: str, sql: str, limit: int, seconds: float) -> bytes:
    """The standard input of QUERY."""
    return json.dumps({"path": path, "sql": sql, "limit": limit, "seconds": seconds}).encode()


def answer(text: str) -> dict[str, Any]:
    """What QUERY printed. Raises ValueError when it is not that."""
    document = json.loads(text.strip().splitlines()[-1]) if text.strip() else None
    if not isinstance(document, dict):
        raise ValueError("the host did not answer the query")
    return document
