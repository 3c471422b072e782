"""Price lists: the guide's wide form as it is, our long form, and errors that name the place."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import examples

from arb.catalog import read_csv
from arb.catalog.validate import validate
from arb.errors import ArbError, UsageError

pd = pytest.importorskip("pandas")

WIDE = "instance_name,vcpus,memory_gb,accelerator_name,accelerator_count,price,spot_price,region\n"
GUIDE = WIDE + (
    "spheron-h100-sxm5-1,12,60,H100,1,3.90,1.66,global\n"
    "spheron-h100-sxm5-8,96,480,H100,8,31.20,13.28,global\n"
    "gpu_8x_h100_sxm5,208,1800,H100,8,19.92,,us-east-1\n"
    "only-spot,8,32,,0,,0.02,east\n"
)
LONG = (
    "offer_id,region,zone,instance_type,accelerator,accelerator_count,accelerator_gib,vcpus,"
    "memory_gib,spot,price_usd_hour,as_of,source,available,capacity,latitude,payload\n"
    'a,east,e1,h100x8,H100,8,80,208,1800,False,22.4,2026-05-16,list,,3,52.5,"{""image"": 1}"\n'
    "a,east,e1,h100x8,H100,8,80,208,1800,true,9.5,1778889600,list,no,,,\n"
)


def read(text, **kwargs):
    return read_csv(io.StringIO(text), **kwargs)


def test_a_wide_row_becomes_an_on_demand_and_a_spot_offer():
    frame = read(GUIDE)
    told = frame[["instance_type", "spot", "price_usd_hour"]].astype(object).to_numpy().tolist()
    assert told == [
        ["spheron-h100-sxm5-1", False, 3.90],
        ["spheron-h100-sxm5-1", True, 1.66],
        ["spheron-h100-sxm5-8", False, 31.20],
        ["spheron-h100-sxm5-8", True, 13.28],
        ["gpu_8x_h100_sxm5", False, 19.92],
        ["only-spot", True, 0.02],
    ]
    row = frame.iloc[3]
    assert (row["region"], row["zone"], row["vcpus"], row["memory_gib"]) == ("global", "", 96, 480)
    assert (row["accelerator"], row["accelerator_count"]) == ("H100", 8)


def test_what_is_known_of_an_accelerator_is_filled_in():
    text = WIDE + "a,1,1,H100_SXM5,1,3,,r\nb,1,1,A100-80GB,1,3,,r\nc,1,1,My chip,1,3,,r\n"
    frame = read(text)
    columns = ["accelerator", "accelerator_gib", "interconnect"]
    assert frame[columns].astype(object).to_numpy().tolist() == [
        ["H100", 80, "SXM"],
        ["A100-80GB", 80, ""],
        ["My chip", 0, ""],
    ]


def test_the_frame_is_one_of_arb_catalog():
    checked = validate(read(GUIDE), minimum_s=1200)
    assert (checked.faults, checked.notes, len(checked.frame)) == ((), (), 6)
    assert set(checked.frame["minimum_s"]) == {1200}, "what the file does not tell stays open"
    dtypes = read(GUIDE).dtypes.astype(str)
    assert dtypes[["region", "zone", "instance_type", "accelerator"]].tolist() == ["category"] * 4
    assert dtypes[["vcpus", "memory_gib", "accelerator_count"]].tolist() == ["float32"] * 3
    assert (dtypes["spot"], dtypes["price_usd_hour"]) == ("bool", "float64")


def test_ids_are_unique_by_type_and_place():
    text = WIDE.replace("region", "region,zone") + "a,1,1,,,3,,r,\na,1,1,,,3,,r,z\na,1,1,,,3,,s,z\n"
    assert read(text)["offer_id"].tolist() == ["a@r", "a@r/z", "a@s/z"]


def test_the_long_form_is_read_as_it_is():
    frame = read(LONG)
    assert frame["spot"].tolist() == [False, True]
    assert frame["as_of"].tolist() == [1778889600.0, 1778889600.0]
    assert frame["payload"].tolist() == ['{"image": 1}', "{}"]
    assert frame["capacity"].astype(object).tolist() == [3, pd.NA]
    assert frame["available"].astype(object).tolist() == [pd.NA, False]
    assert "source" not in frame
    assert validate(frame).faults == ()


def test_defaults_stand_for_columns_and_cells_that_are_empty():
    text = "instance_name,price,region\na,1,\nb,2,west\n"
    frame = read(text, defaults={"region": "global", "fabric": "ib", "minimum_s": 60})
    assert frame["region"].tolist() == ["global", "west"]
    assert (frame["fabric"].tolist(), frame["minimum_s"].tolist()) == (["ib"] * 2, [60, 60])


SEVERAL = "provider," + WIDE + "east,a,1,1,,,1,,r\nwest,a,1,1,,,2,,r\n"


def test_of_several_providers_one_is_chosen():
    assert read(SEVERAL, provider="west")["price_usd_hour"].tolist() == [2]
    with pytest.raises(UsageError, match="holds prices of east, west"):
        read(SEVERAL)
    with pytest.raises(UsageError, match="did you mean 'west'"):
        read(SEVERAL, provider="wst")


def test_files_are_read_by_path_and_from_packages(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("\ufeff" + GUIDE, encoding="utf-8")
    frames = [read_csv(path), read_csv(str(path))]
    with path.open(encoding="utf-8") as file:
        frames.append(read_csv(file))

    class Resource:
        name = "prices.csv"

        def read_text(self, encoding):
            return path.read_text(encoding=encoding)

    frames.append(read_csv(Resource()))
    for frame in frames:
        pd.testing.assert_frame_equal(frame, read(GUIDE))


def test_line_ends_of_any_system_and_within_quotes(tmp_path):
    path = tmp_path / "dos.csv"
    path.write_bytes(b'instance_name,price,region,note\r\na,1,r,"two\r\nlines"\r\nb,x,r,\r\n')
    with pytest.raises(UsageError, match=":4: column price"):
        read_csv(path)
    frame = read("instance_name,price,region\na\u2028b,1,r\n")
    assert frame["instance_type"].tolist() == ["a\u2028b"]


def test_spaces_and_empty_lines_do_not_matter():
    text = "\n instance_name , price , region \n\n a , 1.5 , r \n\n"
    assert read(text)["price_usd_hour"].tolist() == [1.5]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the price list: is empty"),
        (WIDE, "the price list: holds no prices"),
        ("instance_name,price,region\na,x,r\n", "the price list:2: column price: 'x' is not a number"),
        ("instance_name,price,region\na,$1,r\n", ":2: column price: '$1' is not a number"),
        ("instance_name,price,region\na,nan,r\n", ":2: column price: 'nan' is not a number"),
        ("instance_name,price,region\n\na,1,r\nb,1_0,r\n", ":4: column price: '1_0' is not a number"),
        ("instance_nme,price,region\n", ":1: unknown column 'instance_nme': did you mean 'instance_name'?"),
        ("price,region\n1,r\n", ":1: has no column instance_name"),
        ("instance_type,region\na,r\n", ":1: has no column spot"),
        ("instance_type,spot,region\na,no,r\n", ":1: has no column price_usd_hour"),
        ("instance_name,price,region\na,1\n", ":2: 2 values for 3 columns"),
        ("instance_name,price,price\na,1,1\n", ":1: has the column price twice"),
        ("instance_name,instance_type,price\n", ":1: has the column instance_type twice"),
        ("instance_name,price,price_usd_hour\n", ":1: has both price and price_usd_hour"),
        ("instance_name,price,spot_price,region\na,,,r\n", ":2: has neither a price nor a spot_price"),
        ("instance_name,price,region\n,1,r\n", ":2: has no instance_name"),
        ("instance_name,price,region\na,1,\n", ":2: has no region"),
        ("instance_name,price\na,1\n", ":2: has no region"),
        ("instance_name,price,region\na,1,r\na,2,r\n", ":3: the offer a@r stands in line 2 too"),
        ("instance_name,price,region,accelerator_name\na,1,r,H100\n", ":2: has an accelerator and no"),
        ("instance_name,price,region,accelerator_count\na,1,r,8\n", ":2: has an accelerator_count and"),
        ("instance_name,price,region,available\na,1,r,perhaps\n", "'perhaps' is neither true nor false"),
        ("instance_name,price,region,as_of\na,1,r,16-05-2026\n", "'16-05-2026' is not a date"),
        ("instance_type,region,spot,price_usd_hour\na,r,,1\n", ":2: has no spot or no price_usd_hour"),
        ('instance_name,price,region\n"a,1,r\n', ":2: not CSV: unexpected end of data"),
    ],
)  # fmt: skip
def test_an_error_names_the_line_and_the_column(text, told):
    with pytest.raises(UsageError) as caught:
        read(text)
    assert told in caught.value.summary


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read .*nowhere\.csv: No such file"):
        read_csv(tmp_path / "nowhere.csv")
    (tmp_path / "latin.csv").write_bytes(b"instance_name,price\n\xe9,1\n")
    with pytest.raises(UsageError, match=r"latin\.csv: not UTF-8 text"):
        read_csv(tmp_path / "latin.csv")


cell = st.sampled_from(
    ["", "a", "1", "-1", "0", "1e400", "true", "2026-01-01", '"', ",", "\n", "é", "\0"]
)


@examples(200)
@given(
    header=st.sampled_from([WIDE, LONG.splitlines(keepends=True)[0], "", "a,b\n"]),
    rows=st.lists(st.lists(cell, max_size=17).map(",".join), max_size=3),
)
def test_any_text_is_a_price_list_or_a_plain_error(header, rows):
    try:
        frame = read(header + "\n".join(rows))
    except ArbError as error:
        assert error.summary.startswith("the price list:")  # noqa: PT017 - or nothing is raised
    else:
        validate(frame)


@pytest.mark.parametrize(
    "statement", ["from arb.catalog import read_csv", "from arb.catalog.read_csv import read_csv"]
)
def test_providers_import_it_either_way_in_any_order(statement):
    both = "from arb.catalog.read_csv import read_csv as a; from arb.catalog import read_csv as b"
    code = f"import sys; {statement}; {both}; assert read_csv is a is b; print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
