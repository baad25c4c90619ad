"""What a host's releases can read, and what schema its journals have, as text for its own Python. Pure."""

from collections.abc import Sequence

from mmctl.remote.layout import Layout, q

#: Prints ``schema=RELEASE {json}`` for each release and ``journal={json}`` for each SQLite journal that one of them, or
#: an argument, names. A release that does not say what it reads is asked by its own source.
LOOK = r"""
import glob, json, os, re, sys
root, named = sys.argv[1], sys.argv[2:]
paths = list(named) or [os.path.join(root, "shared", "data", "journal.db")]
for folder in sorted(glob.glob(os.path.join(glob.escape(root), "releases", "*", ""))):
    name, said = os.path.basename(folder[:-1]), {}
    try:
        with open(folder + "RELEASE.json", encoding="utf-8") as file:
            read = json.load(file)
        said = {key: read.get("schema_" + key) for key in ("oldest", "newest")} | {"journal": read.get("journal")}
    except (OSError, ValueError, AttributeError):
        pass
    if not said.get("newest"):
        for place in ("site/engine/store/tables.py", "venv/lib/python3*/site-packages/engine/store/tables.py"):
            for source in glob.glob(glob.escape(folder) + place):
                with open(source, encoding="utf-8", errors="replace") as file:
                    text = file.read()
                for key, word in (("newest", "SCHEMA_VERSION"), ("oldest", "UPGRADES_FROM")):
                    found = re.search("(?m)^" + word + "\\b[^=\"]*=\\s*\"([0-9A-Za-z]+)\"", text)
                    said[key] = found.group(1) if found else ("0001" if said.get("newest") else "")
    print("schema=" + name + " " + json.dumps(said))
    if said.get("journal"):
        paths.append(said["journal"])
for path in dict.fromkeys(paths):
    told = {"path": path}
    try:
        if os.path.exists(path):
            import sqlite3
            from urllib.parse import quote
            db = sqlite3.connect("file:" + quote(path) + "?mode=ro", uri=True, timeout=2)
            if db.execute("SELECT 1 FROM sqlite_master WHERE name='meta'").fetchone():
                meta = dict(db.execute("SELECT name, value FROM meta WHERE name LIKE 'schema!_%' ESCAPE '!'"))
                told["readable_by"] = meta.get("schema_version", "")
                told["revision"] = max(meta.values(), default="")
            db.close()
    except Exception as error:
        told["problem"] = path + ": " + str(error)
    print("journal=" + json.dumps(told))
"""


#: Of a journal on a server, asked with the release that is current there: what ``LOOK`` finds in a file.
QUESTION = "SELECT name, value FROM meta WHERE name IN ('schema_version', 'schema_revision')"


def look(layout: Layout, journals: Sequence[str] = ()) -> str:
    """Ask for the schemas of all releases, and of ``journals`` (paths; none: the default one) and those they name."""
    return " ".join(["python3", "-c", q(LOOK), q(layout.root), *map(q, journals)])
