"""Files on a host: the receiver of uploads, secrets, and the config a release brings."""

from mmctl.remote.layout import ENV_NAME, Layout, q, script

# Takes one tar stream of <sha256>/<name> members. Each file appears under its final name only when it is whole and
# its digest right, so a broken upload is taken up again where it broke.
RECEIVER = """
import hashlib, os, shutil, sys, tarfile
top = sys.argv[1]
try:
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as stream:
        for member in stream:
            digest, _, name = member.name.partition("/")
            if not member.isfile() or not name or "/" in name or name.startswith(".") or len(digest) != 64:
                sys.exit("refused: an unexpected member in the upload")
            source, folder = stream.extractfile(member), os.path.join(top, digest)
            part, seen = os.path.join(top, ".part-" + digest), hashlib.sha256()
            with open(part, "wb") as sink:
                while chunk := source.read(1 << 20):
                    seen.update(chunk)
                    sink.write(chunk)
                sink.flush()
                os.fsync(sink.fileno())
            if seen.hexdigest() != digest:
                os.unlink(part)
                sys.exit("the upload of " + name + " arrived damaged: its digest is not the expected one")
            os.makedirs(folder, exist_ok=True)
            os.replace(part, os.path.join(folder, name))
except tarfile.TarError:
    sys.exit("the upload broke off; what had arrived whole is kept")
except OSError as error:
    for left in os.listdir(top):
        if left.startswith(".part-"):
            os.unlink(os.path.join(top, left))
    sys.exit("cannot store the upload: " + str(error.strerror))
"""


def receive(layout: Layout) -> str:
    """Take a tar stream of ``<sha256>/<file name>`` from stdin into the wheelhouse."""
    return script(f"exec python3 -c {q(RECEIVER)} {q(layout.at('shared', 'wheels'))}")


def unpack_release(layout: Layout, release: str) -> str:
    """Take a tar stream of the release's own small files from stdin into its folder, which is not yet complete."""
    folder = q(layout.release(release))
    return script(
        f"[ ! -e {folder}/.complete ] || exit 0",
        f"rm -rf {folder}",
        f"mkdir -p {folder}",
        f"tar -x -f - -C {folder} --no-same-owner",
        f"mkdir -p {folder}/cache/numba",
        f"chmod 0755 {folder} {folder}/bin {folder}/bin/run",
    )


def stage_secrets(layout: Layout) -> str:
    """Take the environment file from stdin, beside the live one; readable by root only from its first byte."""
    part = q(f"{layout.etc}/.{ENV_NAME}.new")
    return script(
        "umask 077",
        f"mkdir -p {q(layout.etc)}",
        f"cat > {part}.part",
        f"chmod 0600 {part}.part",
        f"mv -f {part}.part {part}",
    )


def adopt_secrets(layout: Layout) -> str:
    """The staged secrets become the live ones; the old ones stay as ``.previous`` until the deploy is over."""
    live, new = q(layout.env_file), q(f"{layout.etc}/.{ENV_NAME}.new")
    previous = q(f"{layout.etc}/.{ENV_NAME}.previous")
    return (
        f"if [ -e {new} ]; then [ ! -e {live} ] || cp -p {live} {previous}; mv -f {new} {live}; "
        f"elif [ ! -e {live} ]; then (umask 077; : > {live}); fi"
    )


def restore_secrets(layout: Layout) -> str:
    """Take back :func:`adopt_secrets` after a failed start."""
    live, previous = q(layout.env_file), q(f"{layout.etc}/.{ENV_NAME}.previous")
    return f"[ ! -e {previous} ] || mv -f {previous} {live}"


def forget_secrets(layout: Layout) -> str:
    """Nothing of the old or of refused secrets stays behind."""
    return f"rm -f {q(f'{layout.etc}/.{ENV_NAME}.previous')} {q(f'{layout.etc}/.{ENV_NAME}.new')}"


def adopt_config(layout: Layout, release: str) -> str:
    """The release's own config becomes the one the engine reads; the one before stays as ``.previous``."""
    source, live = q(layout.release(release, "configs", "config.yaml")), q(layout.config)
    previous, part = q(layout.config + ".previous"), q(layout.config + ".part")
    return (
        f"cmp -s {source} {live} || {{ [ ! -e {live} ] || cp -p {live} {previous}; "
        f"cp -p {source} {part}; mv -f {part} {live}; }}"
    )
