"""The recorder's service in a deploy: started where the configuration asks for it, retired where it does not."""

import pytest

from engine.config import load_text
from mmctl.release.desired import _recorder
from mmctl.release.plan import activate
from mmctl.remote import units
from mmctl.remote.layout import Layout
from tests.needs import ROOT
from tests.unit.test_config_load import ENV, GOOD

UNIT = (ROOT / f"systemd/{units.RECORDER}").read_text()


@pytest.fixture
def layout() -> Layout:
    return Layout("/opt/market-maker", managed=True)


def test_it_is_started_with_the_machine_where_it_is_wanted(layout: Layout) -> None:
    script = activate(layout, "one", "python3", (*units.TIMERS, units.RECORDER))
    assert f"systemctl restart {' '.join((*units.TIMERS, units.RECORDER))}" in script
    assert "disable" not in script


def test_it_is_stopped_where_a_deploy_no_longer_wants_it_and_left_alone_by_a_way_back(layout: Layout) -> None:
    assert f"systemctl disable --quiet --now {units.RECORDER}" in activate(layout, "one", "python3", units.TIMERS)
    assert units.RECORDER not in activate(layout, "one", "python3")


def test_the_unit_may_write_where_the_configuration_says() -> None:
    config = load_text(GOOD + 'recorder: {enabled: true, directory: "/big disk/r", store: /mnt/100%}\n', "c.yaml", ENV)
    wanted, paths = _recorder(config)
    assert wanted
    assert 'ReadWritePaths="-/big disk/r" "-/mnt/100%%"\n' in units.writable(UNIT, paths)
    off = load_text(GOOD + "recorder: {store: /mnt/x}\n", "c.yaml", ENV)
    assert _recorder(off) == (False, ())
    assert units.writable(UNIT, ()) == UNIT


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("{rotate: 30s}", "recorder.rotate"),
        ("{instruments: [ETHUSDT, spot:ETHUSDT]}", "recorder.instruments"),
        ("{store: sftp://me@host/x}", "recorder.store"),
        ("{store: relative/folder}", "recorder.store"),
        ("{enabled: true, port: 8080}", "recorder.port"),
        ("{instruments: [kraken:XBTUSD]}", "recorder.instruments"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(section: str, key: str) -> None:
    from engine.config import ConfigErrors

    with pytest.raises(ConfigErrors) as caught:
        load_text(GOOD + f"recorder: {section}\n", "c.yaml", ENV)
    assert [error.path.split("[")[0].removesuffix(".0") for error in caught.value.errors] == [key]
