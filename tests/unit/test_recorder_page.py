"""docs/recording.md against the code: its metrics, its keys, and the rules that a person copies from it."""

import re

import yaml

from engine.catalogue import BY_NAME
from engine.config import keys
from tests.needs import ROOT

PAGE = (ROOT / "docs" / "recording.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def test_every_metric_that_the_page_names_is_one() -> None:
    named = set(re.findall(r"\bmm_[a-z_]+", PAGE))
    assert len(named) >= 5
    assert named <= set(BY_NAME)


def test_its_rules_and_its_job_are_about_each_other() -> None:
    (job,), (group,) = BLOCKS[0]["scrape_configs"], BLOCKS[1]["groups"]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8081"]}]
    assert f'up{{job="{job["job_name"]}"}}' in group["rules"][0]["expr"]
    assert all(rule["labels"]["severity"] in ("critical", "warning") for rule in group["rules"])


def test_the_table_of_keys_says_the_defaults() -> None:
    known = {info.path: info for info in keys()}
    for names, said in re.findall(r"^\| (`[a-z_`, ]+`) \| ([^|]+) \|", PAGE, re.MULTILINE):
        defaults = said.replace(" MB", "").split(", ")
        for name, default in zip(re.findall(r"`(\w+)`", names), defaults, strict=True):
            info = known[f"recorder.{name}"]
            if default.strip() not in ("none", "the strategy's symbol"):
                assert info.default.replace("_", "") == default.strip()
