"""Python on a host that has only python3 and no internet: uv, the shared environments, the release's own."""

from mmctl.remote import environment
from mmctl.remote.layout import Layout, q, script
from mmctl.remote.users import as_service

# Copies wheels out of the host's store into a private folder and hashes the very bytes it writes there: what is
# installed is the copy. A file that is not what its digest says is moved away; the next deploy uploads it again.
STAGE = """
import hashlib, os, shutil, sys, time
private, away = sys.argv[1:3]
shutil.rmtree(private, ignore_errors=True)
os.makedirs(private, mode=0o700)
wrong = []
for path in sys.argv[3:]:
    home, name = os.path.split(path)
    expected, seen, found = os.path.basename(home), hashlib.sha256(), "it cannot be read"
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(source, "rb") as read, open(os.path.join(private, name), "wb") as write:
            while chunk := read.read(1 << 20):
                seen.update(chunk)
                write.write(chunk)
        found = "its SHA-256 is " + seen.hexdigest() + ", not " + expected
    except OSError as error:
        if error.errno == 28:
            sys.exit("cannot copy " + name + " out of the wheel store: " + error.strerror)
        found = "it cannot be read (" + str(error.strerror) + ")"
    if seen.hexdigest() == expected:
        continue
    text = name + " in this host's wheel store is not what was put there: " + found
    try:
        os.makedirs(away, mode=0o700, exist_ok=True)
        moved = os.path.join(away, time.strftime("%Y%m%dT%H%M%SZ-", time.gmtime()) + str(os.getpid()) + "-" + expected)
        os.rename(home, moved)
        text += "; it was moved to " + moved
    except OSError as error:
        text += "; it could not be moved away (" + str(error.strerror) + "): remove " + home
    wrong.append(text)
if wrong:
    shutil.rmtree(private, ignore_errors=True)
    sys.stderr.write("; ".join(wrong) + ". Find out who changed it; a second deploy uploads it again\\n")
    sys.exit(7)
"""

# uv out of its own wheel, whose digest was checked when it was staged. An earlier copy is used only if it is that file.
EXTRACT_UV = """
import base64, hashlib, os, sys, zipfile
wheel, tool = zipfile.ZipFile(sys.argv[1]), sys.argv[2]
name = next(n for n in wheel.namelist() if n.endswith(".data/scripts/uv"))
if os.path.isfile(tool) and not os.path.islink(tool) and os.access(tool, os.X_OK):
    record = wheel.read(next(n for n in wheel.namelist() if n.endswith(".dist-info/RECORD"))).decode()
    with open(tool, "rb") as there:
        digest = base64.urlsafe_b64encode(hashlib.sha256(there.read()).digest()).decode().rstrip("=")
    if name + ",sha256=" + digest + "," in record:
        sys.exit(0)
part = tool + ".part"
with open(part, "wb") as sink:
    sink.write(wheel.read(name))
os.chmod(part, 0o755)
os.replace(part, tool)
"""


def staging(layout: Layout, release: str) -> str:
    """Where the wheels of an unfinished release are installed from: checked copies, root's alone."""
    return layout.release(release, ".wheels")


def _staged(layout: Layout, release: str, name: str) -> str:
    return q(f"{staging(layout, release)}/{name}")


def stage_wheels(layout: Layout, release: str, wheels: tuple[tuple[str, str], ...]) -> str:
    """Check the store's ``wheels``, (sha256, file name) as the operator knows them, while they are copied for
    installation. Ends with 7 and their names when one is not what it was."""
    private = staging(layout, release)
    store = " ".join(q(layout.at("shared", "wheels", digest, name)) for digest, name in wheels)
    return script(
        f"[ ! -e {q(layout.release(release, '.complete'))} ] || exit 0",
        f"python3 -c {q(STAGE)} {q(private)} {q(layout.at('.mmctl', 'quarantine'))} {store}",
    )


def unstage(layout: Layout, release: str) -> str:
    """The copies are not needed once they are installed."""
    return script(f"rm -rf {q(staging(layout, release))}")


def uv_path(layout: Layout, digest: str) -> str:
    """Where the uv of that digest is kept on a host."""
    return layout.at("shared", "tools", f"uv-{digest[:12]}")


def ensure_uv(layout: Layout, release: str, digest: str, name: str) -> str:
    """uv taken out of its own staged wheel: a host needs no pip for it. One that is there already is compared first."""
    return script(
        f"[ ! -e {q(layout.release(release, '.complete'))} ] || exit 0",
        f"python3 -c {q(EXTRACT_UV)} {_staged(layout, release, name)} {q(uv_path(layout, digest))}",
    )


def build_env(layout: Layout, release: str, env: str, uv: str, names: tuple[str, ...]) -> str:
    """The locked dependencies installed once per lock, compiled, offline; releases point to it.

    ``names`` are file names of staged wheels.
    """
    folder = layout.at("shared", "envs", env)
    files = " ".join(_staged(layout, release, name) for name in names)
    return script(
        f"[ ! -e {q(folder + '/.complete')} ] || exit 0",
        f"rm -rf {q(folder)}",
        f"export UV_OFFLINE=1 UV_NO_CACHE=1 UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy uv={q(uv)}",
        f'"$uv" venv --quiet --no-project --python "$(command -v python3)" {q(folder)}',
        f'"$uv" pip install --quiet --no-index --no-deps --compile-bytecode --python {q(folder + "/bin/python")} '
        f"{files}",
        # uv leaves its lock writable by everybody.
        f"rm -f {q(folder + '/.lock')}",
        f"date -u +%Y-%m-%dT%H:%M:%SZ > {q(folder + '/.complete')}",
    )


def install_release(layout: Layout, release: str, env: str, uv: str, name: str) -> str:
    """The release's own environment: the project's staged wheel, and by a path file the dependencies of its lock, which
    are shared by all releases with that lock and never change."""
    folder = layout.release(release)
    venv, shared = f"{folder}/venv", layout.at("shared", "envs", env)
    return script(
        f"[ ! -e {q(folder + '/.complete')} ] || exit 0",
        f"export UV_OFFLINE=1 UV_NO_CACHE=1 UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy uv={q(uv)}",
        f"rm -rf {q(venv)}",
        f'"$uv" venv --quiet --no-project --python "$(command -v python3)" {q(venv)}',
        f"for lib in {q(shared)}/lib/python3*; do",
        f'  echo "$lib/site-packages" > {q(venv)}/lib/"$(basename "$lib")"/site-packages/dependencies.pth',
        "done",
        f'"$uv" pip install --quiet --no-index --no-deps --compile-bytecode --python {q(venv + "/bin/python")} '
        f"{_staged(layout, release, name)}",
        f"rm -f {q(venv + '/.lock')}",
        f"printf '%s\n' {q(env)} > {q(folder + '/.env')}",
    )


def borrow_environment(layout: Layout, release: str, python: str, name: str) -> str:
    """On the local target: the operator's own environment runs the release's unpacked, staged wheel."""
    folder = layout.release(release)
    site, starter = f"{folder}/site", f"{folder}/venv/bin/python"
    text = f'#!/bin/sh\nPYTHONPATH={q(site)} exec {q(python)} "$@"\n'
    return script(
        f"[ ! -e {q(folder + '/.complete')} ] || exit 0",
        f"rm -rf {q(site)} {q(folder + '/venv')}",
        f"mkdir -p {q(site)} {q(folder + '/venv/bin')}",
        f"{q(python)} -m zipfile -e {_staged(layout, release, name)} {q(site)}",
        f"{q(python)} -m compileall -q {q(site)}",
        f"printf %s {q(text)} > {q(starter)}",
        f"chmod 0755 {q(starter)}",
        f"printf '%s\\n' operator > {q(folder + '/.env')}",
    )


def _with_secrets(layout: Layout, from_host: bool, command: str) -> str:
    """``command`` with the secrets in its environment: from stdin, or from the file the host has."""
    return environment.with_variables(layout.env_file if from_host else environment.STDIN, command, strict=True)


def check_config(layout: Layout, release: str, *, from_host: bool = False, config: str = "config.yaml") -> str:
    """The release's own code judges a config of its folder, on the host, as the service's user; secrets come by
    stdin, or ``from_host``: from the file that is there already."""
    run, file = q(layout.release(release, "bin", "run")), q(layout.release(release, "configs", config))
    return script(
        f"cd {q(layout.at('shared'))}",
        _with_secrets(layout, from_host, as_service(layout, f"{run} engine check --config {file}")),
    )


def warm(layout: Layout, release: str, *, from_host: bool = False) -> str:
    """Compile the kernels into the release's cache before it is switched to; secrets come by stdin."""
    run, config = q(layout.release(release, "bin", "run")), q(layout.release(release, "configs", "config.yaml"))
    return script(
        f"[ ! -e {q(layout.release(release, '.complete'))} ] || exit 0",
        f"cd {q(layout.at('shared'))}",
        _with_secrets(layout, from_host, as_service(layout, f"{run} engine warm --config {config}")),
    )


def carry_kernels(layout: Layout, old: str, new: str) -> str:
    """Take over the compiled kernels of another release, as far as their sources are the same."""
    run = q(layout.release(new, "bin", "run"))
    return script(
        f"[ ! -e {q(layout.release(new, '.complete'))} ] || exit 0",
        f"{run} mmctl.release.carry {q(layout.release(old))} {q(layout.release(new))}",
    )
