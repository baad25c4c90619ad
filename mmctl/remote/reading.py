"""Many read-only questions to a journal at once, all answered as of one moment. Pure text.

Questions travel on standard input and answers come back compressed: a day's orders are megabytes.
"""

import base64
import binascii
import json
import shlex
import zlib
from collections.abc import Mapping
from typing import Any, Final

from mmctl.remote.layout import Layout, q

#: Most bytes of answers, unpacked: what a machine of an operator's holds without trouble.
MOST_BYTES: Final = 1 << 30

#: Reads {"path", "questions": {name: sql}, "limits": {name: rows}, "seconds"} from stdin, and prints base64 of zlib of
#: {name: {"columns", "rows", "more"} or {"error"}}; {"error"} alone where the journal cannot be opened.
READ = r"""
import base64, json, os, sqlite3, sys, time, zlib
ask = json.load(sys.stdin)
def say(found):
    sys.stdout.write(base64.b64encode(zlib.compress(json.dumps(found).encode(), 6)).decode())
    sys.exit(0)
if not os.path.exists(ask["path"]):
    say({"error": "there is no journal at " + ask["path"]})
end = time.monotonic() + ask["seconds"]
found = {}
try:
    from urllib.parse import quote
    db = sqlite3.connect("file:" + quote(ask["path"]) + "?mode=ro", uri=True, timeout=2, isolation_level=None)
    db.execute("PRAGMA query_only=1")
    db.set_progress_handler(lambda: 1 if time.monotonic() > end else 0, 10000)
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM sqlite_master").fetchone()
except sqlite3.Error as error:
    say({"error": str(error)})
for name, sql in ask["questions"].items():
    try:
        most = ask["limits"].get(name, 1000)
        cursor = db.execute(sql)
        rows = cursor.fetchmany(most + 1)
        names = [column[0] for column in cursor.description or ()]
        found[name] = {"columns": names, "rows": rows[:most], "more": len(rows) > most}
    except (sqlite3.Error, sqlite3.Warning) as error:
        late = "interrupted" in str(error)
        found[name] = {"error": "it took longer than %g s" % ask["seconds"] if late else str(error)}
say(found)
"""


def questions(path: str, asked: Mapping[str, str], limits: Mapping[str, int], seconds: float) -> bytes:
    """The standard input of READ, and of ``engine.store ask``, which takes its journal from the configuration."""
    document = {"path": path, "questions": dict(asked), "limits": dict(limits), "seconds": seconds}
    return json.dumps(document).encode()


def sqlite_script() -> str:
    """Asks a SQLite journal, with the host's own Python."""
    return f"exec python3 -c {shlex.quote(READ)}"


def server_script(layout: Layout) -> str:
    """Asks the journal that the host's configuration names, with the release that is current: it holds the password."""
    run, config = q(layout.at("current", "bin", "run")), q(layout.config)
    env = q(layout.env_file)
    return (
        f'cd {q(layout.at("shared"))} && set -- --config {config}; [ ! -r {env} ] || set -- "$@" --env-file {env}; '
        f'exec {run} engine.store ask "$@"'
    )


def answers(text: str) -> dict[str, Any]:
    """What READ printed. Raises ValueError when it is not that, or the journal could not be opened at all."""
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(base64.b64decode(text.strip(), validate=True), MOST_BYTES)
        if unpacker.unconsumed_tail:
            raise ValueError("the answers are larger than can be taken in")
        document = json.loads(raw)
    except (binascii.Error, zlib.error, json.JSONDecodeError):
        raise ValueError("the host did not answer the questions") from None
    if not isinstance(document, dict):
        raise ValueError("the host did not answer the questions")
    if isinstance(document.get("error"), str):
        raise ValueError(document["error"])
    return document
