"""The service's user, and who owns what."""

from mmctl.remote.layout import SHARED, Layout, q, script


def ensure(layout: Layout) -> str:
    """A system user without a password, a shell or a home; nothing where it exists, or where we run as ourselves."""
    if not layout.user:
        return script("true")
    user = q(layout.user)
    return script(
        f"id -u {user} >/dev/null 2>&1 || useradd --system --user-group --no-create-home "
        f"--home-dir /nonexistent --shell /usr/sbin/nologin {user}"
    )


def own(layout: Layout, release: str) -> str:
    """The release belongs to root and is read by the service; its data and compiled kernels belong to the service."""
    cache = q(layout.release(release, "cache"))
    if not layout.user:
        return script(
            f"mkdir -p {q(layout.data)} {cache} {q(layout.etc)} {q(layout.units)}",
            f"chmod 0700 {q(layout.data)} {q(layout.etc)} {q(layout.units)}",
        )
    user = q(layout.user)
    readable = " ".join(q(layout.at("shared", name)) for name in SHARED if name != "data")
    return script(
        f"install -d -m 0750 -o {user} -g {user} {q(layout.data)}",
        f"chown -R {user}:{user} {cache}",
        f"chown root:root {q(layout.root)} {readable}",
        f"install -d -m 0750 -o root -g {user} {q(layout.at('shared', 'configs'))}",
        f"chgrp -R {user} {q(layout.release(release, 'configs'))}",
        f"chmod 0750 {q(layout.release(release, 'configs'))}",
        f"chmod 0640 {q(layout.release(release, 'configs'))}/*",
        f"install -d -m 0700 -o root -g root {q(layout.etc)}",
    )


def as_service(layout: Layout, command: str) -> str:
    """``command`` run by the service's user, with this shell's environment."""
    return f"runuser -u {q(layout.user)} -- {command}" if layout.user else command


def log_folder(layout: Layout) -> str:
    """The log folder, written by the service, and a link to it beside the data for relative paths in the config."""
    if not layout.user:
        made = f"mkdir -p {q(layout.logs)} && chmod 0700 {q(layout.logs)}"
    else:
        user = q(layout.user)
        made = f"install -d -m 0750 -o {user} -g {user} {q(layout.logs)}"
    link = q(layout.at("shared", "log"))
    return script(made, f"ln -sfn {q(layout.logs)} {link}")
