"""``arb gpus`` over three shops: one live, one whose list is old, one of own machines."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.fakecloud import FakeCloud

from arb.errors import CredentialsError
from arb.hookspecs import hookimpl
from arb.plugins import PluginTable
from arb.testing import FakeClock
from arb.types import Capability, Catalog, ProviderInfo

MAY_16 = 1778889600.0
ACME = """\
instance_type,region,zone,accelerator,accelerator_count,vcpus,memory_gib,spot,price_usd_hour
a1,north,,H100,1,26,200,no,3.29
a2,north,,H100,2,52,450,no,8.38
a8,north,x,H100,8,208,1800,no,32.00
a8,north,x,H100,8,208,1800,yes,13.28
a8,north,y,H100,8,208,1800,yes,12.00
a8,south,x,H100,8,208,1800,no,30.40
l1,south,,L40S,1,12,48,no,0.75
cpu,south,,,0,4,16,no,0.20
"""
OTHER = """\
instance_name,vcpus,memory_gb,accelerator_name,accelerator_count,price,spot_price,region
o8,192,2048,H100-80GB,8,55.04,17.63,east
p8,96,1152,A100-80GB,8,22.32,,east
"""
OWN = """\
instance_name,vcpus,memory_gb,accelerator_name,accelerator_count,price,spot_price,region
desk,16,64,RTX4090,1,0,,here
rack,16,64,H100,8,0,,here
"""
HEAVY = {
    "pandas", "numpy", "yaml", "paramiko", "cryptography", "matplotlib", "arb_acme",
    "arb.tasks.model", "arb.state.store", "arb.optimizer", "arb.catalog.validate",
}  # fmt: skip
RUN = """
import sys
from arb.cli.app import run
code = run(["gpus", *sys.argv[1:]])
print("modules:", *sys.modules)
sys.exit(code)
"""
PLUGIN = f"""
import io
from arb.hookspecs import hookimpl
from arb.types import Capability, Catalog, ProviderInfo

ARB_API = 1

@hookimpl
def arb_provider_info():
    return ProviderInfo("Acme", frozenset({{Capability.ON_DEMAND, Capability.SPOT}}))

@hookimpl
def arb_catalog():
    from arb.catalog.read_csv import read_csv
    return Catalog(read_csv(io.StringIO({ACME!r})), "bundled", {MAY_16})

@hookimpl
def arb_check(): ...
@hookimpl
def arb_provision(): ...
@hookimpl
def arb_list_instances(): ...
@hookimpl
def arb_terminate(): ...
@hookimpl
def arb_ssh_ports(): ...
"""


@dataclass
class Shop:
    """A provider that sells what a price list says at the moment."""

    name: str
    prices: str
    source: str = "live"
    as_of: float = 0
    owned: bool = False
    error: Exception | None = None
    asked: int = 0
    columns: dict[str, list[object]] = field(default_factory=dict)

    def entry(self):
        capabilities = {Capability.ON_DEMAND, Capability.SPOT}
        capabilities |= {Capability.OWNED} if self.owned else set()
        info = ProviderInfo(self.name, frozenset(capabilities), options={"room": "A folder."})
        entry = FakeCloud(FakeClock(), self.name, info).entry()
        sys.modules[entry.value].arb_catalog = hookimpl(self._catalog())
        return entry

    def _catalog(self):
        def arb_catalog(context):
            from arb.catalog.read_csv import read_csv

            self.asked += 1
            if self.error is not None:
                raise self.error
            frame = read_csv(io.StringIO(self.prices)).assign(**self.columns)
            return Catalog(frame, self.source, self.as_of or context.clock.now())

        return arb_catalog


@pytest.fixture
def install(monkeypatch):
    """Let exactly these shops be installed."""

    def installed(*shops):
        table = PluginTable([shop.entry() for shop in shops])
        monkeypatch.setattr(PluginTable, "load", lambda *_, **__: table)

    return installed


@pytest.fixture
def acme():
    return Shop("acme", ACME)


@pytest.fixture
def market(install, acme):
    install(acme, Shop("other", OTHER, "bundled", MAY_16), Shop("own", OWN, owned=True))
    return acme


@pytest.fixture
def gpus(cli, market):
    """Run ``arb gpus`` with prices that were read before."""
    cli("gpus")
    return lambda *arguments: cli("gpus", *arguments)


def old():
    return f"2026-05-16 ({(time.time() - MAY_16) // 86400:.0f}d old)"


def cells(done):
    """Return a table's rows, cell by cell."""
    return [line.split("  ") for line in done.out.splitlines()[1:]]


def offers(done):
    found = done.json["offers"]
    return [(o["provider"], o["instance_type"], o["region"], o["zone"], o["spot"]) for o in found]


def test_without_a_name_every_accelerator_is_one_line(gpus):
    done = gpus()
    assert done.out == (
        "accelerator  GiB  counts  providers         $/GPU-h  at     spot $/GPU-h  at\n"
        "A100-80GB     80  8       other                2.79  other             -  -\n"
        "H100          80  1,2,8   acme, other, own     3.29  acme           1.50  acme\n"
        "L40S          48  1       acme                 0.75  acme              -  -\n"
        "RTX4090       24  1       own                  0.00  own               -  -\n"
    )
    assert done.err == (
        f"prices: acme live, now; other bundled, {old()}; own live, now\n"
        "machines of your own are bought only when named: --infra own\n"
    )


def test_with_a_name_every_provider_shows_its_cheapest(gpus):
    done = gpus("H100:8", "--infra", "acme")
    assert done.err == "prices: acme live, now\n"
    assert done.out == (
        "provider  instance type  vCPUs   GiB  accelerators  place      $/h  $/GPU-h\n"
        "acme      a8 spot          208  1800  H100:8        north/y  12.00     1.50\n"
        "acme      a8               208  1800  H100:8        south/x  30.40     3.80\n"
    )
    assert offers(gpus("H100:8", "--json")) == [
        ("own", "rack", "here", "", False),
        ("acme", "a8", "north", "y", True),
        ("other", "o8", "east", "", True),
        ("acme", "a8", "south", "x", False),
        ("other", "o8", "east", "", False),
    ]


def test_all_regions_shows_every_region_and_zone(gpus):
    found = offers(gpus("H100:8", "-a", "--infra", "acme", "--json"))
    assert [(region, zone, spot) for _, _, region, zone, spot in found] == [
        ("north", "y", True),
        ("north", "x", True),
        ("south", "x", False),
        ("north", "x", False),
    ]


def test_all_regions_without_a_name_shows_every_offer_with_an_accelerator(gpus):
    assert len(offers(gpus("-a", "--json"))) == 12


@pytest.mark.parametrize("name", ["h100", "H100-80GB", "H100_SXM5", "NVIDIA H100 80GB HBM3"])
def test_any_spelling_of_a_name_will_do(gpus, name):
    assert offers(gpus(name, "--json")) == offers(gpus("H100", "--json"))


@pytest.mark.parametrize(
    ("wish", "counts"),
    [
        ("H100", {1, 2, 8}),
        ("H100:2", {2}),
        ("H100:2+", {2, 8}),
        ("80GB:1", {1}),
        ("nvidia:80GB+:8", {8}),
    ],
)
def test_counts_are_exact_unless_more_is_allowed(gpus, wish, counts):
    assert {o["accelerator_count"] for o in gpus(wish, "--json").json["offers"]} == counts


def test_memory_may_stand_for_a_name(gpus):
    names = {o["accelerator"] for o in gpus("48GB+", "--json").json["offers"]}
    assert names == {"A100-80GB", "H100", "L40S"}


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        (["--spot"], [("acme", 12.0), ("other", 17.63)]),
        (["--on-demand"], [("own", 0.0), ("acme", 30.4), ("other", 55.04)]),
        (["--max-price", "13"], [("own", 0.0), ("acme", 12.0)]),
        (["--infra", "acme/north"], [("acme", 12.0), ("acme", 32.0)]),
        (["--infra", "acme/NORTH/x"], [("acme", 13.28), ("acme", 32.0)]),
        (["--infra", "*/east"], [("other", 17.63), ("other", 55.04)]),
        (["--limit", "1"], [("own", 0.0)]),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_filters(gpus, filters, shown):
    found = gpus("H100:8", "--json", *filters).json["offers"]
    assert [(o["provider"], o["price_usd_hour"]) for o in found] == shown


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("price", "RTX4090"),
        ("gpu-price", "RTX4090"),
        ("value", "RTX4090"),
        ("memory", "A100-80GB"),
        ("name", "A100-80GB"),
        ("provider", "L40S"),
    ],
)
def test_the_summary_is_sorted_as_asked(gpus, sort, first):
    assert gpus("--sort", sort, "--json").json["accelerators"][0]["accelerator"] == first


def test_offers_are_sorted_as_asked(gpus):
    found = gpus("H100", "--infra", "acme", "--sort", "gpu-price", "--json").json["offers"]
    prices = [o["usd_gpu_hour"] for o in found]
    assert prices == sorted(prices)
    assert prices != [o["usd_gpu_hour"] for o in gpus("H100", "--json").json["offers"]]


def test_a_filter_narrows_the_summary(gpus):
    found = gpus("--infra", "acme/north", "--json").json["accelerators"]
    assert [(each["accelerator"], each["counts"]) for each in found] == [("H100", [1, 2, 8])]
    assert found[0]["on_demand"]["usd_gpu_hour"] == 3.29
    assert found[0]["spot"]["usd_gpu_hour"] == 1.5


def test_own_machines_do_not_pass_for_the_market_price(gpus):
    found = {each["accelerator"]: each for each in gpus("--json").json["accelerators"]}
    price = found["H100"]["on_demand"]
    assert price["as_of"] == pytest.approx(time.time() - price.pop("age_s"))
    del price["as_of"]
    assert price == {"usd_gpu_hour": 3.29, "usd_hour": 3.29, "count": 1, "provider": "acme"}
    assert found["RTX4090"]["on_demand"]["provider"] == "own"


def test_json_has_plain_numbers_ages_and_sources(gpus):
    document = gpus("H100:8", "--infra", "other", "--json").json
    offer = document["offers"][0]
    assert offer["usd_gpu_hour"] == pytest.approx(17.63 / 8)
    assert offer["age_s"] == pytest.approx(time.time() - MAY_16, abs=60)
    assert (offer["source"], offer["as_of"]) == ("bundled", MAY_16)
    providers = {row["provider"]: row for row in document["providers"]}
    assert providers["other"]["age_s"] == pytest.approx(time.time() - MAY_16, abs=60)
    assert (providers["acme"]["source"], providers["acme"]["offers"]) == ("live", 8)
    assert document["total"] == 2


def test_what_some_offers_say_is_a_column_and_what_none_says_is_not(cli, install):
    lines = OTHER.splitlines(keepends=True)
    shop = Shop("acme", "".join(lines[:2]))
    shop.columns = {"interconnect": "SXM", "minimum_s": 1200.0, "note": "simulated"}
    shop.columns |= {"available": [False, True], "capacity": [0, 3]}
    install(shop)
    assert cli("gpus", "H100").out == (
        "provider  instance type        vCPUs   GiB  accelerators  place    $/h  $/GPU-h"
        "  link  free  minimum\n"
        "acme      o8 (simulated) spot    192  2048  H100:8        east   17.63     2.20"
        "  SXM      3      20m\n"
        "acme      o8 (simulated)         192  2048  H100:8        east   55.04     6.88"
        "  SXM   none      20m\n"
    )


def test_a_summary_is_as_old_as_the_oldest_price_in_it(cli, install):
    head, row = ACME.splitlines()[:2]
    install(Shop("acme", f"{head},as_of\n{row},2026-05-16\n", "bundled", MAY_16 + 86400))
    done = cli("gpus")
    assert done.err.splitlines()[-1] == f"prices: acme bundled, {old()}"
    price = cli("gpus", "--json").json["accelerators"][0]["on_demand"]
    assert (price["as_of"], price["age_s"]) == (MAY_16, pytest.approx(time.time() - MAY_16, abs=60))


def test_a_summary_shows_what_can_be_had_where_that_is_known(cli, install):
    shop = Shop(
        "acme",
        "".join(ACME.splitlines(keepends=True)[:1])
        + "a,n,,H100,1,1,1,no,2\nb,n,,H100,1,1,1,no,3\n",
    )
    shop.columns = {"available": [False, True]}
    install(shop)
    assert cli("gpus", "--json").json["accelerators"][0]["on_demand"]["usd_hour"] == 3
    assert [offer["price_usd_hour"] for offer in cli("gpus", "H100", "--json").json["offers"]] == [
        3
    ]


def test_what_is_not_known_of_an_instance_is_null_in_a_document(cli, install):
    install(Shop("acme", ACME.splitlines()[0] + "\na8,north,,H100,8,,,no,16.06\n"))
    for arguments, key in ((("gpus", "H100"), "offers"), (("plan", "--gpus", "H100:8"), "offers")):
        (offer,) = cli(*arguments, "--json").json[key]
        assert (offer["vcpus"], offer["memory_gib"], offer["capacity"]) == (None, None, None)
        assert (offer["accelerator_gib"], offer["usd_gpu_hour"]) == (80, 16.06 / 8)


def test_what_is_not_known_of_an_instance_is_a_dash(cli, install):
    install(Shop("acme", ACME.splitlines()[0] + "\na8,north,,H100,8,,,no,16.06\n"))
    assert cli("gpus", "H100").out.splitlines()[1].split() == [
        "acme", "a8", "-", "-", "H100:8", "north", "16.06", "2.01",
    ]  # fmt: skip


def test_memory_is_a_column_where_it_differs(gpus):
    assert "GPU GiB" not in gpus("H100").out
    assert "GPU GiB" in gpus("48GB+").out


def test_a_long_table_ends_with_how_many_there_are(cli, install):
    head = ACME.splitlines()[0]
    rows = [f"k{n},north,,H100,{n},1,1,no,{n}" for n in range(1, 61)]
    install(Shop("acme", "\n".join([head, *rows])))
    done = cli("gpus", "H100")
    assert len(done.out.splitlines()) == 51
    assert "and 10 more; --limit 0 shows all" in done.err
    assert len(cli("gpus", "H100", "--limit", "0").out.splitlines()) == 61
    assert len(cli("gpus", "H100", "--json").json["offers"]) == 60


@pytest.mark.parametrize(
    ("arguments", "code", "summary", "hint"),
    [
        (["H1000"], 2, "unknown accelerator 'H1000': did you mean 'H100'?", "arb gpus lists"),
        (["B200"], 3, "no installed provider sells B200", "sold are A100-80GB, H100, L40S, RTX"),
        (["H100:3"], 3, "filter: count 3", "H100:8, or H100:3+ to allow more"),
        (["L40S", "--spot"], 3, "filter: spot", "it is sold on demand only, from $0.7500/h: acme"),
        (["H100", "--max-price", "1", "--infra", "acme"], 3, "price up to 1 $/h", "$3.29/h: acme"),
        (["H100", "--infra", "acme/nroth"], 3, "filter: region nroth", "did you mean 'north'?"),
        (["H100:8", "--infra", "acme/north/q"], 3, "filter: zone q", "known are x, y"),
        (["L40S", "--infra", "other"], 3, "filter: accelerator L40S", "it is sold by acme"),
        (["500GB"], 3, "filter: memory 500 GiB", "there are accelerators with 24, 48 and 80 GiB"),
        (["AMD:80GB"], 3, "filter: maker AMD", "sold are accelerators of NVIDIA"),
        (["--infra", "amce"], 2, "unknown provider 'amce': did you mean 'acme'?", ""),
        (["--infra", "a/b/c/d"], 2, "is not a place: write PROVIDER/REGION/ZONE", ""),
        (["--sort", "pirce"], 2, "unknown --sort 'pirce': did you mean 'price'?", ""),
        (["--max-price", "nan"], 2, "--max-price must be above 0", ""),
        (["H100:x"], 2, "'H100:x' is not an accelerator: write NAME", ""),
        (["--plot", "a.svg"], 2, "pictures are PNG files", ".png"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_nothing_found_says_what_removed_the_last_offer(gpus, arguments, code, summary, hint):
    done = gpus(*arguments, "--json")
    assert done.code == code
    assert summary in done.json["error"]["summary"]
    assert hint in done.json["error"]["hint"]


def test_without_providers_the_way_to_add_one_is_told(cli, install):
    install()
    done = cli("gpus")
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        "error: there is no provider to ask\n"
        "  arb plugins says what is installed; one is added with: pip install arb-<provider>\n"
    )


def test_where_no_gpu_is_sold_that_is_said(cli, install):
    install(Shop("acme", "\n".join([ACME.splitlines()[0], ACME.splitlines()[-1]])))
    done = cli("gpus")
    assert done.code == 3
    assert "error: acme: no GPU is sold here" in done.err


def test_a_provider_that_failed_costs_one_line_and_no_other_provider(cli, install, acme):
    broken = Shop("broken", OTHER, error=CredentialsError("broken: the key is wrong"))
    install(acme, broken)
    first, second = cli("gpus", "H100"), cli("gpus", "H100")
    told = "warning: broken: the key is wrong\nprices: acme live, now\n"
    assert first.err == f"reading prices of acme, broken\n{told}"
    assert second.err == told
    assert first.out == second.out
    assert first.out.count("acme") == 4


def test_a_provider_that_fails_later_keeps_its_prices_and_their_age(cli, install, acme):
    install(acme)
    before = cli("gpus", "H100")
    acme.error = CredentialsError("the key is wrong")
    cli("config", "set", "provider_options.acme.room", "elsewhere")
    after = cli("gpus", "H100")
    assert after.out == before.out
    assert "warning: acme: the key is wrong; prices of" in after.err
    assert "ago are used" in after.err


def test_when_every_provider_failed_each_is_named(cli, install):
    install(Shop("acme", ACME, error=CredentialsError("acme refused the key")))
    for done in (cli("gpus"), cli("gpus", "H100:8")):
        assert done.code == 3
        assert "no provider told its prices; acme: acme refused the key" in done.err


def test_a_provider_that_is_named_and_failed_is_why_there_is_nothing(cli, install, acme):
    install(acme, Shop("other", OTHER, error=CredentialsError("the key is wrong")))
    assert cli("gpus", "H100").code == 0
    for done in (cli("gpus", "--infra", "other"), cli("gpus", "H100", "--infra", "other")):
        assert done.code == 3
        assert "error: other did not tell its prices: the key is wrong\n" in done.err
        assert "arb refresh other" in done.err


def test_who_failed_is_not_called_one_who_does_not_sell_it(cli, install, acme):
    install(acme, Shop("other", OTHER, error=CredentialsError("the key is wrong")))
    done = cli("gpus", "B200")
    assert done.code == 3
    assert (
        "error: nobody who told prices sells B200; other told no prices: the key is wrong\n"
        "  what is wrong is told by: arb check other\n"
    ) in done.err


def test_prices_are_read_once(cli, market):
    first, second = cli("gpus"), cli("gpus", "H100")
    assert "reading prices of acme, other, own\n" in first.err
    assert "reading" not in second.err
    assert market.asked == 1


def test_a_provider_that_is_named_is_read_alone(cli, install, acme):
    other = Shop("other", OTHER)
    install(acme, other)
    assert offers(cli("gpus", "H100", "--infra", "acme", "--json"))
    assert (acme.asked, other.asked) == (1, 0)


def test_what_is_installed_between_two_commands_is_seen_by_the_second(cli, install, acme):
    install(acme)
    cli("gpus")
    install(acme, Shop("other", OTHER))
    assert "A100-80GB" in cli("gpus").out
    install(acme)
    assert "A100-80GB" not in cli("gpus").out


def test_looking_makes_nothing_but_the_cache(cli, market):
    cli("gpus")
    assert sorted(path.name for path in cli.home.iterdir()) == ["cache", "data"]
    assert [path for path in (cli.home / "data").rglob("*") if path.is_file()] == []


def test_a_picture_is_drawn_beside_the_table(gpus, tmp_path):
    pytest.importorskip("matplotlib")
    plain = gpus("H100:8")
    done = gpus("H100:8", "--plot", "prices.png")
    assert done.out == plain.out
    assert done.err.endswith("wrote prices.png\n")
    assert (tmp_path / "prices.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "title", "bars", "per_gpu"),
    [
        (["H100:8"], "H100:8 by price", {"a8", "o8", "rack"}, False),
        (["H100"], "H100 by price", {"a1", "a2", "a8", "o8", "rack"}, True),
        ([], "The cheapest offer of every accelerator", {"A100-80GB: p8", "H100: a1"}, True),
    ],
    ids=["count", "name", "all"],
)
def test_a_picture_shows_what_the_table_shows(gpus, mocker, arguments, title, bars, per_gpu):
    write = mocker.patch("arb.optimizer.plot.write_plot")
    gpus(*arguments, "--plot", "prices.png")
    (path, drawn), told = write.call_args
    assert path == Path("prices.png")
    assert bars <= {bar.instance_type for bar in drawn}
    assert (told["title"], told["per_gpu"]) == (title, per_gpu)
    assert f"Prices: acme live, {time.strftime('%Y-%m-%d ')}" in told["subtitle"]
    assert "; other bundled, 2026-05-16; " in told["subtitle"]


def test_without_matplotlib_the_table_is_printed_first(gpus, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = gpus("H100:8", "--plot", "prices.png")
    assert done.code == 2
    assert done.out == gpus("H100:8").out
    assert done.err.endswith("  pip install 'arb-core[plot]'\n")


def test_names_are_completed_from_what_is_sold(gpus, monkeypatch, capsys):
    from arb.cli.completion import complete_accelerator

    assert complete_accelerator("h") == ["H100"]
    assert complete_accelerator("") == ["A100-80GB", "H100", "L40S", "RTX4090"]


def test_a_warm_listing_imports_nothing_heavy(tmp_path):
    site = tmp_path / "site"
    info = site / "arb_acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: arb-acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[arb.providers]\nacme = arb_acme\n")
    (site / "arb_acme.py").write_text(PLUGIN)
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    env = {"HOME": str(tmp_path), "ARB_HOME": str(tmp_path / "arb"), "PYTHONPATH": path}

    def modules(*arguments):
        line = [sys.executable, "-c", RUN, *arguments]
        output = subprocess.check_output(line, text=True, env=env, stderr=subprocess.DEVNULL)
        assert "a8" in output or "L40S" in output
        return set(output.rpartition("modules:")[2].split())

    assert "pandas" in modules()
    for arguments in ([], ["H100:8"], ["80GB+", "-a", "--json"], ["--sort", "value"]):
        assert HEAVY & modules(*arguments) == set()


def test_no_completion_is_more_than_a_word():
    from arb.cli.completion import _beginning

    names = ["H100", "H100; rm x", "H100$(x)", "H100 a", "H100\x1b[0m", "H100\n", "H-1.0_+"]
    assert _beginning(names, "h") == ["H100", "H-1.0_+"]
