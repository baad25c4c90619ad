"""The SSH transport against a real sshd: deadlines that hold, keys that are pinned, errors that name the cause."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mmctl.fleet.errors import AuthenticationRefused, DeadlineExceeded, HostKeyMismatch, OperatorError, Unreachable
from mmctl.fleet.inventory import Host, Pin
from mmctl.fleet.ssh import SshTransport
from tests.hosts.machines import Lan, Machine


@pytest.fixture(scope="module")
def host(lan: Lan, machine: Machine) -> Host:
    return Host("one", machine.address, key=str(lan.key), known_hosts=lan.known_hosts)


@pytest.fixture
def ssh(host: Host) -> Iterator[SshTransport]:
    transport = SshTransport(host, 5.0)
    yield transport
    transport.close()


def test_a_script_gets_its_stdin_and_gives_both_outputs_and_its_code(ssh: SshTransport) -> None:
    result = ssh.run("cat; echo 'a\"b' >&2; exit 3", 10, b"hello")
    assert (result.rc, result.out, result.err) == (3, "hello", 'a"b\n')


def test_a_command_ends_at_its_deadline_here_and_soon_after_there(ssh: SshTransport, machine: Machine) -> None:
    begun = time.monotonic()
    with pytest.raises(DeadlineExceeded, match="1 s"):
        ssh.run("sleep 6043", 1)
    assert time.monotonic() - begun < 3  # the sleep itself is 2000 times longer
    end = time.monotonic() + 10
    while "6043" in machine.sh("ps ax -o args | grep '[s]leep 6043'", check=False):
        assert time.monotonic() < end, "the remote side outlived its deadline"
        time.sleep(0.1)


def test_after_a_deadline_the_connection_still_serves(ssh: SshTransport) -> None:
    with pytest.raises(DeadlineExceeded):
        ssh.run("sleep 60", 0.3)
    assert ssh.run("echo alive", 5).out == "alive\n"


def test_large_data_passes_both_ways_unharmed(ssh: SshTransport, tmp_path: Path) -> None:
    data = bytes(range(256)) * 40_000
    pieces = [data[i : i + 100_001] for i in range(0, len(data), 100_001)]
    assert ssh.run("cat > /root/big", 30, pieces).rc == 0
    assert ssh.fetch("/root/big", tmp_path / "big", 30) == len(data)
    assert (tmp_path / "big").read_bytes() == data


def test_put_replaces_a_file_in_one_piece_with_its_mode(ssh: SshTransport, machine: Machine) -> None:
    ssh.put(b"one", "/root/a file", 0o600, 5)
    ssh.put(b"two", "/root/a file", 0o640, 5)
    assert ssh.get("/root/a file", 5) == b"two"
    assert machine.sh("stat -c %a '/root/a file'; ls /root | grep -c part || true").split() == ["640", "0"]


def test_reading_a_missing_file_names_it(ssh: SshTransport) -> None:
    with pytest.raises(OperatorError, match="/root/nothing"):
        ssh.get("/root/nothing", 5)


def test_lines_come_as_they_are_printed_and_stop_with_the_reader(ssh: SshTransport, machine: Machine) -> None:
    with ssh.lines("for i in 1 2 3; do echo line $i; done; exec sleep 6077") as lines:
        assert [next(lines) for _ in range(3)] == ["line 1", "line 2", "line 3"]
    end = time.monotonic() + 10
    while "6077" in machine.sh("ps ax -o args | grep '[s]leep 6077'", check=False):
        assert time.monotonic() < end, "the follower stayed behind"
        time.sleep(0.1)


def test_http_reaches_a_loopback_port_of_the_host(ssh: SshTransport, machine: Machine) -> None:
    machine.sh("systemd-run --unit=web -q -p WorkingDirectory=/etc/ssh python3 -m http.server --bind 127.0.0.1 8123")
    end = time.monotonic() + 10
    while True:
        try:
            answer = ssh.http("GET", 8123, "/sshd_config", 5)
            break
        except Unreachable:
            assert time.monotonic() < end
            time.sleep(0.1)
    assert answer.status == 200
    assert b"Subsystem" in answer.body
    assert ssh.http("GET", 8123, "/none", 5).status == 404


def test_a_closed_port_and_a_mute_one_are_told_apart(ssh: SshTransport, machine: Machine) -> None:
    with pytest.raises(Unreachable, match="nothing listens"):
        ssh.http("GET", 8124, "/", 3)
    program = "import socket,time; s=socket.create_server(('127.0.0.1',8125)); c=s.accept(); time.sleep(60)"
    machine.sh(f'systemd-run --unit=mute -q python3 -c "{program}"; until ss -ltn | grep -q 8125; do sleep .05; done')
    with pytest.raises(DeadlineExceeded):
        ssh.http("GET", 8125, "/", 0.5)


def test_a_wrong_key_is_refused_with_the_user_named(host: Host, tmp_path: Path) -> None:
    import subprocess

    key = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with pytest.raises(AuthenticationRefused, match="root") as refused:
        SshTransport(replace(host, key=str(key)), 5).run("true", 5)
    assert refused.value.exit_code == 12


def test_a_key_file_that_is_missing_or_garbage_is_named(host: Host, tmp_path: Path) -> None:
    with pytest.raises(AuthenticationRefused, match="there is no key"):
        SshTransport(replace(host, key=str(tmp_path / "none")), 5).run("true", 5)
    (tmp_path / "bad").write_text("not a key")
    with pytest.raises(AuthenticationRefused, match="cannot read the key"):
        SshTransport(replace(host, key=str(tmp_path / "bad")), 5).run("true", 5)


def test_a_host_without_a_pinned_key_is_not_spoken_to(host: Host, tmp_path: Path) -> None:
    with pytest.raises(HostKeyMismatch, match="no host key is pinned"):
        SshTransport(replace(host, known_hosts=None), 5).run("true", 5)


def test_a_fingerprint_pins_as_well_as_a_known_hosts_file(host: Host, machine: Machine) -> None:
    shown = machine.sh("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert SshTransport(replace(host, known_hosts=None, pins=(Pin("", shown),)), 5).run("echo in", 5).out == "in\n"
    other = Pin("", "SHA256:" + "A" * 43)
    with pytest.raises(HostKeyMismatch, match="HOST KEY CHANGED"):
        SshTransport(replace(host, known_hosts=None, pins=(other,)), 5).run("true", 5)


def test_an_ordinary_user_works_through_sudo(host: Host, machine: Machine) -> None:
    machine.sh(
        "useradd -m -s /bin/sh deploy; install -d -o deploy -m 700 /home/deploy/.ssh; "
        "install -o deploy -m 600 /root/.ssh/authorized_keys /home/deploy/.ssh/authorized_keys; "
        "echo 'deploy ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/deploy"
    )
    plain = replace(host, user="deploy")
    assert SshTransport(plain, 5).run("id -u", 5).out.strip() != "0"
    risen = SshTransport(replace(plain, become=True), 5)
    assert risen.run("id -u; cat", 5, b"in").out == "0\nin"
    risen.put(b"x", "/etc/written-by-root", 0o600, 5)
    assert risen.get("/etc/written-by-root", 5) == b"x"
    risen.close()


def test_a_jump_host_carries_the_connection(lan: Lan, machine: Machine, host: Host) -> None:
    behind = lan.boot()
    behind.shun(lan.gateway)  # only the jump host reaches it now
    inner = Host("behind", behind.address, key=str(lan.key), known_hosts=lan.known_hosts, jump=host)
    transport = SshTransport(inner, 8)
    assert transport.run("hostname", 5).out.strip() == behind.name
    transport.close()
    with pytest.raises(Unreachable):
        SshTransport(replace(inner, jump=None), 1).run("true", 2)


def test_a_cut_cable_is_noticed_within_the_deadline(host: Host, machine: Machine) -> None:
    transport = SshTransport(host, 2)
    transport.run("true", 5)
    machine.cut()
    try:
        begun = time.monotonic()
        with pytest.raises((Unreachable, DeadlineExceeded)):
            transport.run("true", 1)
        with pytest.raises(Unreachable, match="cannot connect"):
            SshTransport(host, 1).run("true", 1)
        assert time.monotonic() - begun < 8
    finally:
        machine.heal()
        transport.close()


def test_a_cable_cut_in_the_middle_of_an_upload_is_noticed_within_the_deadline(host: Host, machine: Machine) -> None:
    transport = SshTransport(host, 2)
    transport.run("true", 5)
    ends: list[BaseException] = []

    def pieces() -> Iterator[bytes]:
        machine.cut()  # what is sent now fills the kernel's buffer, and the sender waits there
        yield bytes(1 << 23)

    def upload() -> None:
        try:
            transport.run("cat > /dev/null", 3, pieces())
        except OperatorError as error:
            ends.append(error)

    uploading = threading.Thread(target=upload, daemon=True)
    uploading.start()
    try:
        uploading.join(20)
        assert not uploading.is_alive()
        assert isinstance(ends[0], DeadlineExceeded)
    finally:
        machine.heal()
        transport.close()
    assert SshTransport(host, 5).run("echo back", 5).out == "back\n"


def test_a_reinstalled_host_is_not_trusted(host: Host, machine: Machine) -> None:
    machine.new_host_key()
    machine.sh("systemctl restart ssh")
    with pytest.raises(HostKeyMismatch, match="HOST KEY CHANGED") as refused:
        SshTransport(host, 5).run("true", 5)
    assert refused.value.exit_code == 12
