"""Python on a host that has only python3 and no internet: uv, the shared environments, the release's own."""

from mmctl.remote.layout import Layout, q, script
from mmctl.remote.users import as_service

EXTRACT_UV = (
    "import os,sys,zipfile;"
    "z=zipfile.ZipFile(sys.argv[1]);"
    "n=next(n for n in z.namelist() if n.endswith('.data/scripts/uv'));"
    "p=sys.argv[2]+'.part';"
    "open(p,'wb').write(z.read(n));"
    "os.chmod(p,0o755);"
    "os.replace(p,sys.argv[2])"
)


def _wheel(layout: Layout, digest: str, name: str) -> str:
    return q(layout.at("shared", "wheels", digest, name))


def uv_path(layout: Layout, digest: str) -> str:
    return layout.at("shared", "tools", f"uv-{digest[:12]}")


def ensure_uv(layout: Layout, digest: str, name: str) -> str:
    """uv taken out of its own wheel: a host needs no pip for it."""
    tool = q(uv_path(layout, digest))
    return script(f"[ -x {tool} ] || python3 -c {q(EXTRACT_UV)} {_wheel(layout, digest, name)} {tool}")


def build_env(layout: Layout, env: str, uv: str, wheels: tuple[tuple[str, str], ...]) -> str:
    """The locked dependencies installed once per lock, compiled, offline; releases point to it.

    ``wheels`` are (sha256, file name). The digests are checked again on the host before anything is installed.
    """
    folder = layout.at("shared", "envs", env)
    sums = "".join(f"{digest}  {layout.at('shared', 'wheels', digest, name)}\n" for digest, name in wheels)
    files = " ".join(_wheel(layout, digest, name) for digest, name in wheels)
    return script(
        f"[ ! -e {q(folder + '/.complete')} ] || exit 0",
        f"printf %s {q(sums)} | sha256sum --check --quiet --strict",
        f"rm -rf {q(folder)}",
        f"export UV_OFFLINE=1 UV_NO_CACHE=1 UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy uv={q(uv)}",
        f'"$uv" venv --quiet --no-project --python "$(command -v python3)" {q(folder)}',
        f'"$uv" pip install --quiet --no-index --no-deps --compile-bytecode --python {q(folder + "/bin/python")} '
        f"{files}",
        # uv leaves its lock writable by everybody.
        f"rm -f {q(folder + '/.lock')}",
        f"date -u +%Y-%m-%dT%H:%M:%SZ > {q(folder + '/.complete')}",
    )


def install_release(layout: Layout, release: str, env: str, uv: str, wheel: tuple[str, str]) -> str:
    """The release's own environment: the project's wheel, and by a path file the dependencies of its lock, which are
    shared by all releases with that lock and never change."""
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
        f"{_wheel(layout, *wheel)}",
        f"rm -f {q(venv + '/.lock')}",
        f"printf '%s\\n' {q(env)} > {q(folder + '/.env')}",
    )


def borrow_environment(layout: Layout, release: str, python: str, wheel: tuple[str, str]) -> str:
    """On the local target: the operator's own environment runs the release's unpacked wheel."""
    folder = layout.release(release)
    site, starter = f"{folder}/site", f"{folder}/venv/bin/python"
    text = f'#!/bin/sh\nPYTHONPATH={q(site)} exec {q(python)} "$@"\n'
    return script(
        f"[ ! -e {q(folder + '/.complete')} ] || exit 0",
        f"rm -rf {q(site)} {q(folder + '/venv')}",
        f"mkdir -p {q(site)} {q(folder + '/venv/bin')}",
        f"{q(python)} -m zipfile -e {_wheel(layout, *wheel)} {q(site)}",
        f"{q(python)} -m compileall -q {q(site)}",
        f"printf %s {q(text)} > {q(starter)}",
        f"chmod 0755 {q(starter)}",
        f"printf '%s\\n' operator > {q(folder + '/.env')}",
    )


LOAD_ENVIRONMENT = 'while IFS= read -r line || [ -n "$line" ]; do case $line in *=*) export "$line";; esac; done'

# The host's own environment file as plain NAME=value lines, by the rules systemd and the engine read it with.
PLAIN_ENVIRONMENT = """
import sys
for line in open(sys.argv[1], encoding="utf-8"):
    name, equals, value = line.strip().partition("=")
    name, value = name.removeprefix("export ").strip(), value.strip()
    if equals and name.isidentifier():
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\\""
        print(name + "=" + (value[1:-1] if quoted else value))
"""


def _environment(layout: Layout, from_host: bool) -> tuple[str, ...]:
    """Lines that put the secrets into this shell's environment: from stdin, or from the file the host has."""
    if not from_host:
        return (LOAD_ENVIRONMENT,)
    live = q(layout.env_file)
    return (
        f"if [ -r {live} ]; then",
        f"plain=$(python3 -c {q(PLAIN_ENVIRONMENT)} {live})",
        f"{LOAD_ENVIRONMENT} <<EOF\n$plain\nEOF",
        "fi",
    )


def check_config(layout: Layout, release: str, *, from_host: bool = False, config: str = "config.yaml") -> str:
    """The release's own code judges a config of its folder, on the host, as the service's user; secrets come by
    stdin, or ``from_host``: from the file that is there already."""
    run, file = q(layout.release(release, "bin", "run")), q(layout.release(release, "configs", config))
    return script(
        *_environment(layout, from_host),
        f"cd {q(layout.at('shared'))}",
        as_service(layout, f"{run} engine check --config {file}"),
    )


def warm(layout: Layout, release: str, *, from_host: bool = False) -> str:
    """Compile the kernels into the release's cache before it is switched to; secrets come by stdin."""
    run, config = q(layout.release(release, "bin", "run")), q(layout.release(release, "configs", "config.yaml"))
    return script(
        f"[ ! -e {q(layout.release(release, '.complete'))} ] || exit 0",
        *_environment(layout, from_host),
        f"cd {q(layout.at('shared'))}",
        as_service(layout, f"{run} engine warm --config {config}"),
    )


def carry_kernels(layout: Layout, old: str, new: str) -> str:
    """Take over the compiled kernels of another release, as far as their sources are the same."""
    run = q(layout.release(new, "bin", "run"))
    return script(
        f"[ ! -e {q(layout.release(new, '.complete'))} ] || exit 0",
        f"{run} mmctl.release.carry {q(layout.release(old))} {q(layout.release(new))}",
    )
