"""Real hosts for tests: pristine Debian 12 machines with their own systemd, sshd and address, booted in about a second.

Each is a systemd-nspawn container over an overlay of one debootstrapped image, in a network namespace behind a
bridge that belongs to one :class:`Lan`. A LAN takes a free subnet 10.77.N.0/24, so several test processes can each
have their own, and leaves nothing behind when it closes. ``MM_HOST_IMAGE`` names an image that exists already.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.needs import need_program, need_root

IMAGE = Path(os.environ.get("MM_HOST_IMAGE", "/var/cache/mm-hosts/bookworm"))
DISKS = Path("/var/tmp/mm-hosts")
PACKAGES = (
    "systemd,systemd-sysv,dbus,openssh-server,python3,iproute2,ca-certificates,procps,cron,sudo,util-linux,coreutils"
)
SUBNETS = range(1, 60)
BOOT_SECONDS = 40.0
DOWNLOADS = 3  # attempts at the image
# Machines that share a control group share their services' groups, too: a kill on one would reach the other.
CGROUP_TREES = tuple(f"/sys/fs/cgroup/{tree}" for tree in ("systemd", "unified", ""))
OWN_CGROUP = f"""for tree in {" ".join(CGROUP_TREES)}; do
[ -e "$tree/cgroup.procs" ] && mkdir -p "$tree/$0" && echo $$ >"$tree/$0/cgroup.procs"
done; exec "$@\""""
MASKED = ("systemd-resolved", "systemd-networkd", "systemd-timesyncd", "console-getty", "getty@tty1")


def need_hosts() -> None:
    """Skip, or fail under MM_REQUIRE=all, where real hosts cannot be booted."""
    need_root()
    need_program("systemd-nspawn", "ip", "setpriv", "ssh-keygen", "mount")
    if not (IMAGE / "etc/ssh/sshd_config").exists():
        need_program("debootstrap")


def _sh(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], text=True, capture_output=True, timeout=600)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _mirror() -> str:
    """The Debian mirror this machine itself uses."""
    sources = Path("/etc/apt/sources.list.d")
    for file in [*sorted(sources.glob("*.sources")), *sorted(sources.glob("*.list")), Path("/etc/apt/sources.list")]:
        for line in file.read_text().splitlines() if file.is_file() else ():
            words = line.split()
            if words[:1] == ["URIs:"] or (words[:1] == ["deb"] and len(words) > 1):
                return next(word for word in words[1:] if "://" in word)
    raise RuntimeError("no Debian mirror in /etc/apt")


def _debootstrap(target: Path) -> None:
    """Debian 12 in ``target``, from the mirror. It asks for some 150 packages once each: one lost answer ends it."""
    for attempt in range(DOWNLOADS):
        shutil.rmtree(target, ignore_errors=True)
        try:
            _sh("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", target, _mirror())
            return
        except RuntimeError:
            if attempt == DOWNLOADS - 1:
                raise


def build_image() -> Path:
    """The image all machines start from; made once (about a minute), by one process at a time."""
    IMAGE.parent.mkdir(parents=True, exist_ok=True)
    with open(IMAGE.parent / "building", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (IMAGE / "etc/ssh/sshd_config").exists():
            return IMAGE
        part = IMAGE.with_name(IMAGE.name + ".part")
        _debootstrap(part)
        for unit in MASKED:
            (part / f"etc/systemd/system/{unit}.service").symlink_to("/dev/null")
        for key in (part / "etc/ssh").glob("ssh_host_*"):
            key.unlink()
        part.rename(IMAGE)
    return IMAGE


@dataclass
class Machine:
    """One host of a LAN. ``root`` is its file system as seen from here."""

    lan: "Lan"
    number: int
    options: tuple[str, ...] = ()
    layers: tuple[Path, ...] = ()  # what is on its disk above the image
    process: "subprocess.Popen[bytes] | None" = None
    log: IO[bytes] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return f"host{self.number}"

    @property
    def address(self) -> str:
        return f"{self.lan.prefix}.{10 + self.number}"

    @property
    def disk(self) -> Path:
        return self.lan.folder / str(self.number)

    @property
    def root(self) -> Path:
        return self.disk / "root"

    @property
    def namespace(self) -> str:
        return f"mmh{self.lan.subnet}-{self.number}"

    @property
    def link(self) -> str:
        return f"mmv{self.lan.subnet}-{self.number}"

    def prepare(self) -> None:
        for part in ("upper", "work", "root"):
            (self.disk / part).mkdir(parents=True, exist_ok=True)
        lower = ":".join(str(layer) for layer in (*self.layers, IMAGE))
        layers = f"lowerdir={lower},upperdir={self.disk}/upper,workdir={self.disk}/work"
        _sh("mount", "-t", "overlay", "overlay", "-o", layers, self.root)
        (self.root / "etc/hostname").write_text(self.name + "\n")
        self.new_host_key()
        home = self.root / "root/.ssh"
        home.mkdir(mode=0o700, exist_ok=True)
        (home / "authorized_keys").write_text(self.lan.key.with_suffix(".pub").read_text())
        _sh("ip", "netns", "add", self.namespace)
        _sh("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        _sh("ip", "link", "set", self.link, "master", self.lan.bridge, "up")
        _sh("ip", "-n", self.namespace, "addr", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            _sh("ip", "-n", self.namespace, "link", "set", device, "up")

    def new_host_key(self) -> None:
        """Give the host a fresh identity, as a reinstallation would."""
        path = self.root / "etc/ssh/ssh_host_ed25519_key"
        for old in path.parent.glob("ssh_host_*"):
            old.unlink()
        _sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path)

    def boot(self) -> None:
        self.log = open(self.disk / "console.log", "ab")  # noqa: SIM115 - closed at power_off
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "sh", "-c", OWN_CGROUP, self.namespace,
             "systemd-nspawn", "-D", str(self.root), "--boot", "--register=no", "--keep-unit", f"--machine={self.name}",
             f"--network-namespace-path=/run/netns/{self.namespace}", *self.options],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True,
        )  # fmt: skip
        self.wait_for_ssh()

    def wait_for_ssh(self) -> None:
        end = time.monotonic() + BOOT_SECONDS
        while time.monotonic() < end:
            if self.process is not None and self.process.poll() is not None:
                break
            try:
                with socket.create_connection((self.address, 22), 1) as stream:
                    if stream.recv(4) == b"SSH-":
                        return
            except OSError:
                time.sleep(0.05)
        said = (self.disk / "console.log").read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.name} did not answer ssh within {BOOT_SECONDS:g} s:\n{said}")

    def known_hosts_line(self) -> str:
        kind, key = (self.root / "etc/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
        return f"{self.address} {kind} {key}\n"

    def sh(self, script: str, check: bool = True) -> str:
        """Run a script there by the system's own ssh: an opinion independent of the code under test."""
        done = subprocess.run(
            ["ssh", "-i", str(self.lan.key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
             "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", f"root@{self.address}", script],
            text=True, capture_output=True, timeout=120,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {script}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def cut(self) -> None:
        """Pull the network cable."""
        _sh("ip", "link", "set", self.link, "down")

    def heal(self) -> None:
        _sh("ip", "link", "set", self.link, "up")

    def shun(self, address: str) -> None:
        """Let this host answer ``address`` no more."""
        _sh("ip", "-n", self.namespace, "route", "add", "unreachable", f"{address}/32")

    def power_off(self) -> None:
        """Power loss: everything stops at once, the disk stays."""
        process, self.process = self.process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=10)
        if self.log is not None:
            self.log.close()

    def remove(self) -> None:
        self.power_off()
        groups = [
            group for tree in CGROUP_TREES for group in sorted(Path(tree, self.namespace).glob("**/"), reverse=True)
        ]
        for group in groups:  # what a run that was killed left alive: nothing else is in a machine's own groups
            with contextlib.suppress(OSError):
                for process in (group / "cgroup.procs").read_text().split():
                    os.kill(int(process), signal.SIGKILL)
        _quiet("umount", "-l", self.root)
        for group in groups:  # the innermost first: a group goes only when it is empty
            with contextlib.suppress(OSError):
                group.rmdir()
        _quiet("ip", "netns", "del", self.namespace)
        _quiet("ip", "link", "del", self.link)


def _quiet(*words: object) -> None:
    with contextlib.suppress(RuntimeError):
        _sh(*words)


def _empty_later(folder: Path) -> None:
    """Remove a LAN's disks, many small files, behind the tests' back; what is not finished is swept later."""
    if not folder.exists():
        return
    if not folder.name.startswith("gone-"):
        folder = folder.rename(folder.with_name(f"gone-{folder.name}-{time.time_ns()}"))
    subprocess.run(
        ["sh", "-c", 'nice -n 19 rm -rf "$0" &', str(folder)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, timeout=60, check=False,
    )  # fmt: skip


class Lan:
    """A bridge of our own with machines on it; a context manager that takes all of it down again."""

    def __init__(self) -> None:
        DISKS.mkdir(parents=True, exist_ok=True)
        self.machines: list[Machine] = []
        self.subnet, self._lock = self._claim()
        self.prefix = f"10.77.{self.subnet}"
        self.bridge = f"mmhosts{self.subnet}"
        self.folder = DISKS / str(self.subnet)
        self._sweep()
        self.folder.mkdir(parents=True)
        self.key = self.folder / "id_ed25519"
        self.known_hosts = self.folder / "known_hosts"
        _sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        _sh("ip", "link", "add", self.bridge, "type", "bridge")
        _sh("ip", "addr", "add", f"{self.gateway}/24", "dev", self.bridge)
        _sh("ip", "link", "set", self.bridge, "up")

    @property
    def gateway(self) -> str:
        """This machine's address on the LAN: where a test's exchange listens."""
        return f"{self.prefix}.1"

    def _claim(self) -> tuple[int, IO[str]]:
        for number in SUBNETS:
            lock = open(DISKS / f"{number}.lock", "w")  # noqa: SIM115 - held as long as the LAN lives
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            return number, lock
        raise RuntimeError("no free subnet for test hosts")

    def _sweep(self) -> None:
        """What a run that was killed left in this subnet."""
        for disk in self.folder.glob("[0-9]*"):
            Machine(self, int(disk.name)).remove()
        _quiet("ip", "link", "del", self.bridge)
        for folder in (self.folder, *DISKS.glob("gone-*")):
            _empty_later(folder)

    def boot(self, *options: str, layers: tuple[Path, ...] = ()) -> Machine:
        """A new machine, pristine without ``layers``; ``options`` go to systemd-nspawn (``--tmpfs=/opt:size=40M``)."""
        build_image()
        machine = Machine(self, len(self.machines) + 1, options, layers)
        self.machines.append(machine)
        machine.prepare()
        machine.boot()
        self.write_known_hosts()
        return machine

    def write_known_hosts(self) -> None:
        self.known_hosts.write_text("".join(machine.known_hosts_line() for machine in self.machines))

    def close(self) -> None:
        for machine in self.machines:
            machine.remove()
        _quiet("ip", "link", "del", self.bridge)
        _empty_later(self.folder)
        self._lock.close()

    def __enter__(self) -> "Lan":
        return self

    def __exit__(self, *ending: object) -> None:
        self.close()
