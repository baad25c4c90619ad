"""The scripts that run on hosts: their exact text, that any sh takes them, and that odd names stay one word."""

import subprocess
from pathlib import Path

import pytest

from engine.config import environment
from mmctl.fleet.transport import bounded, put_script
from mmctl.release import plan
from mmctl.remote import beside, files, layout, ledger, python, units, users
from mmctl.remote.layout import Layout
from tests.needs import ROOT

HOST = Layout()
ODD = Layout("/tmp/it's here", "/tmp/it's here/log", "/tmp/it's here/etc", "/tmp/it's here/run", "", False)
RELEASE = "20260101T000000Z-0123456789ab"


def test_a_command_is_bounded_on_the_host_as_well() -> None:
    assert bounded("echo 'hi'", 5) == "timeout -k 2 6 sh -c 'echo '\"'\"'hi'\"'\"''"


def test_a_file_is_written_beside_its_place_and_renamed() -> None:
    assert put_script("/etc/x y", 0o600) == (
        "set -e; umask 077; cat > '/etc/x y.part'; chmod 600 '/etc/x y.part'; sync -d '/etc/x y.part'; "
        "mv -f '/etc/x y.part' '/etc/x y'"
    )


def test_current_moves_by_one_rename_and_only_to_a_complete_release() -> None:
    assert layout.switch(HOST, RELEASE) == (
        "set -eu\n"
        f"[ -e /opt/market-maker/releases/{RELEASE}/.complete ]\n"
        f"ln -sfn releases/{RELEASE} /opt/market-maker/.current.new\n"
        "mv -fT /opt/market-maker/.current.new /opt/market-maker/current\n"
    )


def test_good_and_bad_exclude_each_other() -> None:
    here = f"/opt/market-maker/releases/{RELEASE}"
    assert layout.mark(HOST, RELEASE, "bad", "it died") == (
        f"set -eu\nprintf '%s\\n' 'it died' > {here}/.bad\nrm -f {here}/.good\n"
    )
    assert f"rm -f {here}/.bad\n" in layout.mark(HOST, RELEASE, "good", "now")


def test_deleting_refuses_the_current_release_on_the_host_itself() -> None:
    assert layout.remove_releases(HOST, (RELEASE,), ("e1",), ("w1",)) == (
        "set -eu\n"
        'now=$(basename "$(readlink /opt/market-maker/current 2>/dev/null)" 2>/dev/null || true)\n'
        f'[ "$now" = {RELEASE} ] || rm -rf /opt/market-maker/releases/{RELEASE}\n'
        "rm -rf /opt/market-maker/shared/envs/e1\n"
        "rm -rf /opt/market-maker/shared/wheels/w1\n"
    )
    with pytest.raises(AssertionError):
        layout.remove_releases(HOST, ("../..",), (), ())


def test_the_service_user_has_no_shell_no_home_and_no_password() -> None:
    assert users.ensure(HOST) == (
        "set -eu\nid -u trader >/dev/null 2>&1 || useradd --system --user-group --no-create-home "
        "--home-dir /nonexistent --shell /usr/sbin/nologin trader\n"
    )
    assert users.ensure(ODD) == "set -eu\ntrue\n"


def test_secrets_come_by_stdin_and_are_root_only_from_the_first_byte() -> None:
    assert files.stage_secrets(HOST) == (
        "set -eu\numask 077\nmkdir -p /etc/market-maker\n"
        "cat > /etc/market-maker/.engine.env.new.part\n"
        "chmod 0600 /etc/market-maker/.engine.env.new.part\n"
        "mv -f /etc/market-maker/.engine.env.new.part /etc/market-maker/.engine.env.new\n"
    )


def test_the_config_is_checked_as_the_service_user_with_the_release_s_own_code() -> None:
    here = f"/opt/market-maker/releases/{RELEASE}"
    reader = layout.q(Path(environment.__file__).read_text())
    checked = f"runuser -u trader -- {here}/bin/run engine check --config {here}/configs/config.yaml\n"
    begins = f"set -eu\ncd /opt/market-maker/shared\npython3 -c {reader} --strict "
    assert python.check_config(HOST, RELEASE) == f"{begins}- {checked}"
    assert python.check_config(HOST, RELEASE, from_host=True) == f"{begins}/etc/market-maker/engine.env {checked}"


def test_a_failing_start_shows_how_it_ended_and_only_its_own_words() -> None:
    lines = units.start(HOST, "python3").splitlines()
    # An alias has no words of its own: the journal knows a run under its unit's name.
    assert lines[0] == "unit=$(systemctl show --property=Id --value market-maker.service)"
    assert lines.pop(1) == 'systemctl reset-failed "$unit" 2>/dev/null || true'
    # Which run was there before is asked before the restart, and how the new one ended before it is stopped.
    assert "--property=InvocationID" in lines[1]
    begun = lines.index('if ! told=$(systemctl start "$unit" 2>&1); then')
    assert "--property=Result,ExecMainCode,ExecMainStatus" in lines[begun + 1]
    assert lines[begun + 3] == '  systemctl stop "$unit" 2>/dev/null || true'
    assert any('grep -v "^${before:-none}$"' in line for line in lines)
    assert lines[-2:] == ["  exit 1", "fi"]


def test_the_local_target_asks_our_supervisor_with_the_same_words() -> None:
    assert units.start(ODD, "/usr/bin/python3") == (
        f"PYTHONPATH={ROOT} /usr/bin/python3 -P -m mmctl.fleet.supervisor start --root '/tmp/it'\"'\"'s here'"
    )


def test_unit_files_move_with_the_layout() -> None:
    text = (ROOT / "systemd" / beside.ENGINE).read_text()
    assert units.render(text, HOST) == text
    moved = units.render(text, Layout("/srv/mm", "/var/log/mm", "/etc/mm", user="quant"))
    assert "/opt/market-maker" not in moved
    assert "market-maker/engine.env" not in moved
    assert "ExecStart=/srv/mm/instances/%N/bin/run engine run --config /srv/mm/shared/configs/config.yaml\n" in moved
    assert "User=quant\nGroup=quant\n" in moved


def test_the_supervisor_and_systemd_are_given_the_same_numbers() -> None:
    unit = (ROOT / "systemd" / beside.ENGINE).read_text()
    spec = units.supervised(HOST)
    assert f"WatchdogSec={spec.watchdog_seconds:g}\n" in unit
    assert f"TimeoutStartSec={spec.start_seconds:g}\n" in unit
    assert f"TimeoutStopSec={spec.stop_seconds:g}\n" in unit
    assert f"RestartPreventExitStatus={' '.join(map(str, spec.restart_prevent))}\n" in unit
    assert f"ExecStart=/opt/market-maker/instances/%N/bin/run {' '.join(spec.argv[1:])}\n" in unit


@pytest.mark.parametrize("where", [HOST, ODD], ids=["host", "odd"])
def test_every_script_is_one_that_sh_understands(where: Layout) -> None:
    wheel = ("0" * 64, "x y.whl")
    scripts = {
        "make": layout.make(where),
        "facts": layout.facts(where, 8080, units.activity(where, "python3")),
        "mark": layout.mark(where, RELEASE, "good", "it's fine"),
        "switch": layout.switch(where, RELEASE),
        "remove": layout.remove_releases(where, (RELEASE,), ("e",), ("w",)),
        "own": users.own(where, RELEASE),
        "logs": users.log_folder(where),
        "receive": files.receive(where),
        "unpack": files.unpack_release(where, RELEASE),
        "secrets": files.stage_secrets(where),
        "stage": python.stage_wheels(where, RELEASE, (wheel,)),
        "unstage": python.unstage(where, RELEASE),
        "uv": python.ensure_uv(where, RELEASE, *wheel),
        "env": python.build_env(where, RELEASE, "env", "/x/uv", ("x y.whl",)),
        "install": python.install_release(where, RELEASE, "env", "/x/uv", "x y.whl"),
        "borrow": python.borrow_environment(where, RELEASE, "/usr/bin/python3", "x y.whl"),
        "check": python.check_config(where, RELEASE, from_host=True),
        "warm": python.warm(where, RELEASE),
        "carry": python.carry_kernels(where, RELEASE, RELEASE),
        "verify": units.verify(where, RELEASE),
        "activate": plan.activate(where, RELEASE, "python3", ("a.timer",), secrets=True),
        "deactivate": plan.deactivate(where, RELEASE, "python3"),
        "back": plan.go_back(where, RELEASE, "python3", running=True),
        "discard": plan.discard(where, RELEASE, "env"),
        "acquire": ledger.acquire(where, "run", 60),
        "renew": ledger.renew(where, "run", 60),
        "release": ledger.release(where, "run"),
        "status": ledger.lock_status(where),
        "audit": ledger.append_audit(where),
        "journal": ledger.journal_step(where, RELEASE, '{"a": "it\'s"}'),
        "launcher": units.LAUNCHER,
    }
    for name, text in scripts.items():
        done = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True, timeout=10)
        assert done.returncode == 0, f"{name}: {done.stderr}\n{text}"
