"""An inventory says what is meant, or in one line what is wrong; no secret stands in it or comes out of it."""

from __future__ import annotations

import contextlib
import copy
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from greenband.errors import BadInput
from greenband.field.address import normal_host, split_port
from greenband.field.gat1049.session import Manner
from greenband.field.inventory import Gat1049, Inventory, NtcipV2c, NtcipV3, load
from greenband.plan.model import PlanSet, Provenance, StageTiming, TimingPlan

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "controllers.yaml"
SECRET = "hunter2hunter2"
BASE: dict[str, Any] = {
    "defaults": {"user": "operator", "auth": {"env": "AUTH"}, "privacy": {"env": "PRIVACY"}},
    "platforms": {
        "hangzhou": {"address": "10.0.0.5", "port": 9999, "user": "greenband", "password": {"env": "PASSWORD"}}
    },
    "controllers": [
        {"junction": "J06", "address": "10.1.0.6"},
        {"junction": "J07", "address": "10.1.0.7"},
        {"junction": "J08", "protocol": "gat1049", "platform": "hangzhou", "cross_id": "33010900000008"},
    ],
}


def written(folder: Path, data: object) -> Path:
    path = folder / "controllers.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return path


def with_first(**fields: object) -> dict[str, Any]:
    data = copy.deepcopy(BASE)
    data["controllers"][0].update(fields)
    return data


def complaint(folder: Path, data: object) -> str:
    path = written(folder, data)
    with pytest.raises(BadInput) as caught:
        load(path)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"{path}: ")
    assert SECRET not in f"{said}{caught.value!r}{caught.value.__cause__!r}{caught.value.__context__!r}"
    return said.removeprefix(f"{path}: ")


def a_plan(*junctions: str) -> PlanSet:
    stage = StageTiming(stage=0, name="A", green_s=30, yellow_s=3, all_red_s=2)
    plans = {name: TimingPlan(signal=name, cycle_s=35, offset_s=0, stages=(stage,)) for name in junctions}
    return PlanSet(provenance=Provenance(subject="test", scenario="none"), plans={"AM": plans})


def test_the_example_says_what_its_comments_say() -> None:
    inventory = load(EXAMPLE)
    first, slow, open_, behind = inventory.controllers
    assert isinstance(first, NtcipV3)
    assert (first.device, first.user, first.auth.env, first.privacy.secret) == (
        "10.1.0.6:161",
        "operator",
        "GREENBAND_AUTH",
        "privacy",
    )
    assert (first.auth_protocol, first.privacy_protocol, first.timeout_s, first.retries) == ("sha256", "aes128", 2, 3)
    assert first.engine_id == "80001f8880e9630000d61ff449"
    assert (first.limits.patterns, first.limits.schedule_rows) == (48, 40)
    assert isinstance(slow, NtcipV3)
    assert (slow.device, slow.timeout_s, slow.max_objects, slow.pause_s) == ("j07.signals.example:1161", 5, 8, 0.1)
    assert isinstance(open_, NtcipV2c)
    assert (open_.device, open_.insecure, first.insecure) == ("[fd00::8]:161", True, False)
    assert isinstance(behind, Gat1049)
    assert (behind.device, behind.platform.name) == ("10.0.0.5:9999/33010900000009", "hangzhou")
    assert inventory.secrets_file == EXAMPLE.parent / "secrets.yaml"


def test_secrets_are_those_of_the_controller_or_its_platform(tmp_path: Path) -> None:
    data = with_first(version="2c", community={"env": "COMMUNITY"})
    inventory = load(written(tmp_path, data))
    values = {"AUTH": SECRET, "PRIVACY": SECRET + "!", "PASSWORD": "p", "COMMUNITY": "c"}
    secrets = inventory.secrets(values)
    found = [inventory.secrets_of(one, secrets) for one in inventory.controllers]
    assert [{field: one.get_secret_value() for field, one in of.items()} for of in found] == [
        {"community": "c"},
        {"auth": SECRET, "privacy": SECRET + "!"},
        {"password": "p"},
    ]
    assert SECRET not in f"{inventory!r}{inventory.controllers}{found}{secrets!r}"
    with pytest.raises(BadInput, match="controller J07: auth: env AUTH: is shorter than 8 characters"):
        inventory.secrets_of(inventory["J07"], inventory.secrets({**values, "AUTH": "short"}))
    with pytest.raises(BadInput, match=r"platform hangzhou: password: env PASSWORD: .*did you mean 'PASSWORT'"):
        inventory.secrets_of(inventory["J08"], inventory.secrets({"PASSWORT": "p"}))


@pytest.mark.parametrize("field", ["auth", "privacy"])
@pytest.mark.parametrize(
    "value",
    [
        SECRET,
        {"env": SECRET + "!"},
        {"secret": ["x", SECRET]},
        {SECRET: "x"},
        {"password": SECRET},
        {"env": "A", "secret": SECRET},
        [SECRET],
        {"env": {"name": SECRET}},
    ],
)
def test_a_secret_in_the_inventory_is_refused_and_not_repeated(tmp_path: Path, field: str, value: object) -> None:
    assert f"{field}: no secret has a place here" in complaint(tmp_path, with_first(**{field: value}))
    data = copy.deepcopy(BASE)
    data["defaults"][field] = value
    assert complaint(tmp_path, data).startswith(f"defaults: {field}: no secret")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"passwort": SECRET}, "unknown field of ntcip, version 3 'passwort': choose from "),
        ({"adress": "10.1.0.6"}, "did you mean 'address'?"),
        ({"community": {"env": "C"}}, "unknown field of ntcip, version 3 'community'"),
        ({"version": "2c"}, "controllers.0 ('J06'): community: is missing"),
        ({"version": "1"}, "controllers.0 ('J06'): unknown version '1': choose from 2c, 3"),
        ({"protocol": "ntcp"}, "did you mean 'ntcip'?"),
        ({"auth_protocol": "sha265"}, "'sha265': choose from md5, sha1, sha256, sha512; did you mean 'sha256'?"),
        ({"port": "70000"}, "port: '70000': must be less than or equal to 65535"),
        ({"port": "snmp"}, "port: 'snmp': must be a valid integer"),
        ({"timeout_s": "0"}, "timeout_s: '0': must be greater than 0"),
        ({"timeout_s": "nan"}, "timeout_s: 'nan': must be"),
        ({"retries": "-1"}, "retries: '-1': must be"),
        ({"limits": {"patern": "4"}}, "unknown field of limits 'patern'"),
        ({"limits": {"patterns": "0"}}, "limits.patterns: '0': must be greater"),
        ({"limits": "48"}, "limits: '48': must be"),
        ({"engine_id": "8000"}, "engine_id: '8000': must be 5 to 32 octets"),
        ({"engine_id": "0" * 10}, "must not be all zeros"),
        ({"address": "10.1.0.6:99999"}, "port: '99999'"),
        ({"address": "10.1.0.6:162", "port": "161"}, "port: '161': the address says '162'"),
        ({"address": "10.1.0"}, "address: '10.1.0': must be a host name, an IPv4"),
        ({"address": "224.0.0.1"}, "must be the address of one device"),
        ({"address": "[::1"}, "must be [IPv6]:port"),
        ({"address": f"operator:{SECRET}@10.1.0.6"}, "address: this text: must be"),
        ({"address": "x" * 300}, "…': must be a host name"),
        ({"address": ["10.1.0.6"]}, "address: a list: must be"),
        ({"junction": "J\x0706"}, "junction: 'J\\x0706': must be printable"),
        ({"junction": "J" * 65}, "junction: "),
        ({"junction": ""}, "controllers.0: junction: is missing"),
    ],
)
def test_what_is_wrong_is_said_with_place_and_value(tmp_path: Path, fields: dict[str, object], said: str) -> None:
    whole = complaint(tmp_path, with_first(**fields))
    assert said in whole
    assert whole.startswith("controllers.0")


def changed(path: str, value: object) -> dict[str, Any]:
    data = copy.deepcopy(BASE)
    *above, last = (int(part) if part.isdigit() else part for part in path.split("."))
    place: Any = data
    for part in above:
        place = place[part]
    place[last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("controllers.1.address", "10.1.0.6", "device: 10.1.0.6:161: of J06 and J07; each must have its own"),
        ("controllers.1.address", "::ffff:10.1.0.6", "device: 10.1.0.6:161: of J06 and J07"),
        ("controllers.1.address", "10.1.0.6:161", "device: 10.1.0.6:161: of J06 and J07"),
        ("controllers.1.junction", "J06", "junction: j06: of J06, twice"),
        ("controllers.1.junction", "j06", "junction: j06: of J06 and j06"),
        ("controllers.2.cross_id", "3301090000008", "cross_id: '3301090000008': must be 14 digits"),
        ("controllers.2.cross_id", "00000080000008", "is a placeholder"),
        (
            "controllers.2.platform",
            "hangzou",
            "controllers.2 ('J08'): unknown platform 'hangzou': choose from hangzhou",
        ),
        ("controllers.2.platform", ["hangzhou"], "controllers.2 ('J08'): unknown platform 'a list'"),
        ("secrets", "~nobody-of-that-name/s.yaml", "secrets: '~nobody-of-that-name/s.yaml': "),
        ("controllers.2.address", "10.1.0.8", "unknown field of gat1049 'address'"),
        ("controllers.2.timeout_s", "5", "controllers.2 ('J08'): unknown field of gat1049 'timeout_s'"),
        ("controllers.2.retries", "5", "controllers.2 ('J08'): unknown field of gat1049 'retries'"),
        (
            "controllers.2.limits",
            {"actions": "5"},
            "unknown field of limits 'actions': choose from day_plans, events, patterns, schedule_rows",
        ),
        ("controllers.0.limits", {"rows": "5"}, "choose from actions, day_plans, events, patterns, schedule_rows"),
        ("platforms.hangzhou.retries", "5", "platforms.hangzhou: unknown field of a platform 'retries'"),
        ("platforms.hangzhou.framing", "bare", "platforms.hangzhou: unknown framing 'bare': choose from length, xml"),
        ("platforms.hangzhou.all_numbers", "1", "unknown all_numbers '1': choose from 0, none"),
        ("platforms.hangzhou.mode_object", "CrossState", "choose from CrossCtrlInfo, CrossModePlan"),
        ("platforms.hangzhou.add_number", "1", "unknown add_number '1': choose from 0, own"),
        ("platforms.hangzhou.absent", "1002", "platforms.hangzhou: absent: '1002': must be a valid tuple"),
        ("platforms.hangzhou.absent", [["1002"]], "platforms.hangzhou: absent.0: a list: must be a valid string"),
        ("platforms.hangzhou.at_once", "0", "platforms.hangzhou: at_once: '0': must be greater"),
        ("platforms.hangzhou.heartbeat_s", "nan", "platforms.hangzhou: heartbeat_s: 'nan': must be a finite"),
        ("platforms.hangzhou.timeout_s", "601", "platforms.hangzhou: timeout_s: '601': must be less than"),
        ("controllers", "", "controllers: is missing"),
        ("controllers", [], "controllers: a list: list should have at least 1 item"),
        ("controllers", "J06", "controllers: 'J06': must be a valid list"),
        ("controllers.1", "J07", "controllers.1: 'J07': must be a valid dictionary"),
        ("platforms.hangzhou.password", SECRET, "platforms.hangzhou: password: no secret has a place here"),
        ("platforms.hangzhou.port", "", "platforms.hangzhou: port: is missing"),
        ("platforms.other", {"address": "10.0.0.5:9999", "user": "u", "password": {"env": "P"}}, "platforms: address"),
        ("defaults.timeout", "2", "unknown field of defaults 'timeout'"),
        ("defaults.port", "0", "defaults: port: '0'"),
        ("controler", [], "unknown field of the inventory 'controler'"),
    ],
)
def test_tables_are_held_against_each_other(tmp_path: Path, path: str, value: object, said: str) -> None:
    assert said in complaint(tmp_path, changed(path, value))


def test_one_cross_id_is_a_junction_of_one_platform_only(tmp_path: Path) -> None:
    data = copy.deepcopy(BASE)
    data["platforms"]["xiaoshan"] = data["platforms"]["hangzhou"] | {"address": "10.0.0.6"}
    data["controllers"].append(data["controllers"][2] | {"junction": "J09", "platform": "xiaoshan"})
    load(written(tmp_path, data))
    data["controllers"][3]["platform"] = "hangzhou"
    assert "10.0.0.5:9999/33010900000008: of J08 and J09" in complaint(tmp_path, data)


def test_one_engine_is_one_controllers(tmp_path: Path) -> None:
    data = with_first(engine_id="80:00:1F:88:04")
    data["controllers"][1]["engine_id"] = "0x80001f8804"
    assert "engine_id: 80001f8804: of J06 and J07" in complaint(tmp_path, data)


def test_fields_stand_before_defaults_and_limits_each_for_itself(tmp_path: Path) -> None:
    data = with_first(address="10.1.0.6:1161", limits={"patterns": 16})
    data["defaults"] |= {"port": 8161, "limits": {"patterns": 48, "events": 10, "actions": 9}, "retries": 1}
    data["controllers"][2]["limits"] = {"events": 11}
    first, second, behind = load(written(tmp_path, data)).controllers
    assert (first.device, second.device) == ("10.1.0.6:1161", "10.1.0.7:8161")
    assert (first.limits.patterns, first.limits.events, second.limits.patterns) == (16, 10, 48)
    assert isinstance(first, NtcipV3)
    assert (first.retries, first.limits.actions) == (1, 9)
    assert behind.limits.model_dump(exclude_none=True) == {"patterns": 48, "events": 11}
    del data["controllers"][2]["limits"]
    assert load(written(tmp_path, data))["J08"].limits.model_dump(exclude_none=True) == {"patterns": 48, "events": 10}


def test_a_platform_speaks_as_it_is_said_to(tmp_path: Path) -> None:
    behind = load(written(tmp_path, BASE))["J08"]
    assert isinstance(behind, Gat1049)
    usual = Manner().model_dump()
    assert behind.platform.model_dump(include=set(usual)) == usual
    other: dict[str, Any] = {"framing": "xml", "add_number": "0", "all_numbers": "none", "mode_object": "CrossCtrlInfo"}
    other |= {"absent": ["1002", "SDE_NoData"], "at_once": "1", "heartbeat_s": "5", "timeout_s": "2.5"}
    assert set(other) == set(usual)
    data = copy.deepcopy(BASE)
    data["platforms"]["hangzhou"] |= other
    behind = load(written(tmp_path, data))["J08"]
    assert isinstance(behind, Gat1049)
    meant = other | {"absent": ("1002", "SDE_NoData"), "at_once": 1, "heartbeat_s": 5, "timeout_s": 2.5}
    assert behind.platform.model_dump(include=set(usual)) == meant


def test_values_are_the_texts_that_were_written(tmp_path: Path) -> None:
    text = """
    controllers:
    - {junction: 06, address: fd00::6, version: 2c, community: {env: C}}
    - {junction: 1e3, address: 'FD00:0::7', version: 2c, community: {env: C}}
    """
    assert [(one.junction, one.device) for one in load(written(tmp_path, text)).controllers] == [
        ("06", "[fd00::6]:161"),
        ("1e3", "[fd00::7]:161"),
    ]


def test_a_field_given_twice_is_refused(tmp_path: Path) -> None:
    text = "controllers:\n- junction: J06\n  address: 10.1.0.6\n  address: 10.1.0.7\n"
    assert complaint(tmp_path, text) == "a field is given twice, or its name is no text at line 4, column 3"


def test_an_inventory_is_held_against_a_plan(tmp_path: Path) -> None:
    inventory = load(written(tmp_path, BASE))
    assert inventory.checked(a_plan("J06", "J07", "J08")) == ()
    assert inventory.checked(a_plan("J10", "J06", "J07", "J08", "J09")) == ("J10", "J09")
    with pytest.raises(BadInput, match=r"controllers.1: unknown junction 'J07': choose from J06, J08; did you mean"):
        inventory.checked(a_plan("J06", "J08"))


def test_a_selection_keeps_the_order(tmp_path: Path) -> None:
    inventory = load(written(tmp_path, BASE))
    assert [one.junction for one in inventory.only(["J08", "J06", "J08"]).controllers] == ["J06", "J08"]
    assert isinstance(inventory.only(["J06"]), Inventory)
    with pytest.raises(BadInput, match="junction 'J6': choose from J06, J07, J08; did you mean 'J06'"):
        inventory.only(["J06", "J6"])


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("10.1.0.6", "10.1.0.6", None),
        ("10.1.0.6:161", "10.1.0.6", "161"),
        ("J06.Signals.Example.", "j06.signals.example", None),
        ("[2001:DB8::0:1]:1161", "2001:db8::1", "1161"),
        ("2001:db8:0:0::1", "2001:db8::1", None),
        ("[::ffff:10.1.0.6]", "10.1.0.6", None),
        ("localhost:161", "localhost", "161"),
    ],
)
def test_an_address_has_one_form(text: str, host: str, port: str | None) -> None:
    found, found_port = split_port(text)
    assert (normal_host(found), found_port) == (host, port)


@pytest.mark.parametrize(
    "text", ["", "0x0a010006", "167837702", "10.01.0.6", "10.1.0.6.", "a..b", "-a", "a b", "0.0.0.0", "::"]
)
def test_what_may_be_another_device_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        normal_host(text)


@settings(max_examples=50, deadline=None)
@given(st.recursive(st.text(max_size=8), lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from(
    ["controllers", "junction", "address", "defaults", "platforms", "limits", "auth", "env", "secret", "protocol", "x"]
), part, max_size=4), max_leaves=12))  # fmt: skip
def test_whatever_is_written_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: object) -> None:
    path = written(tmp_path_factory.getbasetemp(), yaml.safe_dump(data))
    with contextlib.suppress(BadInput):
        load(path)


def test_a_thousand_controllers_are_read_soon(tmp_path: Path) -> None:
    rows = [{"junction": f"J{n}", "address": f"10.1.{n // 250}.{n % 250}"} for n in range(1, 1001)]
    path = written(tmp_path, {**BASE, "controllers": rows})
    start = time.process_time()
    assert len(load(path).controllers) == 1000
    assert time.process_time() - start < 5
