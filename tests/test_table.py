"""Tables and the CSV reader: what they read, and the one line that they say of a bad file."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnlite.io.table import Table, binary_classes, builtin_table, read_csv
from nnlite.ops.random import Generator

GOOD = "age,colour,ill\n31,red,no\n47.5,blue,yes\n5e1,red,yes\n"


@pytest.fixture
def csv(tmp_path: Path) -> Any:
    """Write a text or bytes as a file in the current folder and give its path."""

    def write(content: str | bytes, name: str = "data.csv") -> Path:
        data = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def message(error: BaseException, path: Path) -> str:
    """What a user reads, the folder left out; never more than one line."""
    text = str(error)
    assert "\n" not in text
    return text.replace(str(path), path.name)


def seeded(seed: int) -> Generator:
    return Generator().manual_seed(seed)


class TestReading:
    def test_numbers_and_texts(self, csv: Any) -> None:
        table = read_csv(csv(GOOD), target="ill")
        assert table.names == ("age", "colour", "ill")
        assert table["age"].dtype == np.float64
        assert table["age"].tolist() == [31.0, 47.5, 50.0]
        assert table["colour"].tolist() == ["red", "blue", "red"]
        assert table.lines.tolist() == [2, 3, 4]
        assert len(table) == 3

    @pytest.mark.parametrize(
        "variant",
        [
            GOOD.replace(",", ";"),
            GOOD.replace(",", "\t"),
            GOOD.replace(",", ", "),
            GOOD.replace("\n", "\r\n"),
            GOOD.replace("\n", "\r"),
            GOOD.rstrip("\n"),
            "\n\n" + GOOD + "\n \n\n",
            GOOD.replace("\n", ",\n"),
            GOOD.replace("ill\n", "ill,\n"),
            GOOD.replace("no\n", "no,, ,\n"),
            GOOD.replace("red", '"red"').replace("ill", ' "ill"'),
            GOOD.replace("31", " +3_1".replace("_", "") + "\u00a0"),
        ],
    )
    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "BOM"])
    def test_variants_read_alike(self, csv: Any, variant: str, mark: bytes) -> None:
        wanted = read_csv(csv(GOOD))
        table = read_csv(csv(mark + variant.encode(), "variant.csv"))
        assert table.names == wanted.names
        for name in wanted.names:
            assert table[name].tolist() == wanted[name].tolist()

    def test_delimiter_is_not_fooled_by_quoted_names_or_decimal_commas(self, csv: Any) -> None:
        assert read_csv(csv('"a;b;c;d",x\n1,2\n')).names == ("a;b;c;d", "x")
        with pytest.raises(ValueError, match=r"'1,5' has a comma: write numbers like 1234\.5"):
            read_csv(csv("x;y\n1,5;2,5\n"))
        assert read_csv(csv("size (m, cm);y\n1;2\n")).names == ("size (m, cm)", "y")
        assert read_csv(csv("only\n1\n2\n"))["only"].tolist() == [1.0, 2.0]

    def test_lines_are_those_of_an_editor(self, csv: Any) -> None:
        path = csv('\na,b\n\n1,"two\nlines"\n2,x\n3,y\n\n4,z\n')
        assert read_csv(path).lines.tolist() == [4, 6, 7, 9]
        assert read_csv(path)["b"].tolist() == ["two\nlines", "x", "y", "z"]

    def test_a_text_far_below_the_first_block_is_found(self, csv: Any) -> None:
        rows = [f"{i},{i}" for i in range(1000)]
        rows[777] = "x,777"
        path = csv("a,b\n" + "\n".join(rows))
        with pytest.raises(ValueError, match=r"line 779, column 'a': 'x' is text in a column of"):
            read_csv(path)
        assert read_csv(path, drop=["a"])["b"].tolist() == list(range(1000))
        assert read_csv(path, columns={"a": "category"})["a"][776:779].tolist() == [
            "776",
            "x",
            "778",
        ]

    def test_more_than_half_texts_make_a_category(self, csv: Any) -> None:
        assert read_csv(csv("a\n1\nx\ny\n"))["a"].tolist() == ["1", "x", "y"]
        with pytest.raises(ValueError, match="line 3, column 'a': 'x' is text in a column of num"):
            read_csv(csv("a\n1\nx\n"))

    @pytest.mark.parametrize("cell", ["1_000", "0x10", "1e", "--1"])
    def test_what_is_no_number(self, csv: Any, cell: str) -> None:
        with pytest.raises(ValueError, match=f"line 4, column 'a': '{cell}' is text in a column"):
            read_csv(csv(f"a\n1\n2\n{cell}\n"))

    def test_columns_are_read_as_said_and_others_not_looked_at(self, csv: Any) -> None:
        path = csv("id,zip,x,y\n,10,1,0\n,20,2,1\n")
        table = read_csv(path, target="y", columns={"x": "number", "zip": "category"})
        assert table.names == ("zip", "x", "y")
        assert table["zip"].tolist() == ["10", "20"]
        with pytest.raises(ValueError, match="line 2, column 'x': 'a' is text"):
            read_csv(csv("x\na\nb\n"), columns={"x": "number"})
        with pytest.raises(ValueError, match="kind of column 'x' is 'text', not one of"):
            read_csv(path, columns={"x": "text"})
        with pytest.raises(ValueError, match="target column 'y' is among those to drop"):
            read_csv(path, target="y", drop=["y"])

    def test_one_column_has_no_blank_lines_in_it(self, csv: Any) -> None:
        with pytest.raises(ValueError, match=r"line 3, column 'a': the value is missing \(''\)"):
            read_csv(csv("a\n1\n\n2\n\n"))


BAD: list[tuple[str | bytes, str]] = [
    ("", "data.csv is empty: a line of column names and rows are needed"),
    ("\n \n", "data.csv is empty: a line of column names and rows are needed"),
    ("a,y\n", "data.csv: there are no rows below the column names"),
    ("a,a,y\n1,2,3\n", "data.csv, line 1: columns 1 and 2 have the same name 'a': rename one"),
    ("a,,y\n1,2,3\n", "data.csv, line 1: column 2 has no name: give it one"),
    (
        "1,2\n3,4\n",
        "data.csv, line 1: numbers stand where the column names belong ('1', '2'): "
        "put a line of names above them",
    ),
    (
        "a,b,y\n1,2,0\n1,2\n",
        "data.csv, line 3: 2 values for 3 columns: the last columns, from 'y' on, have none",
    ),
    (
        "a,y\n1,0\n1,2,3\n",
        "data.csv, line 3: 3 values for 2 columns: "
        "a value that contains ',' must stand in double quotes",
    ),
    (
        "a,y\n1,0\nnan,1\n",
        "data.csv, line 3, column 'a': the value is missing ('nan'): "
        "fill it in, delete the line, or drop the column",
    ),
    (
        "a,y\nx,0\nx,1\n,1\n",
        "data.csv, line 4, column 'a': the value is missing (''): "
        "fill it in, delete the line, or drop the column",
    ),
    (
        "a,y\n1,0\n1e999,1\n",
        "data.csv, line 3, column 'a': '1e999' is no finite number: correct it or delete the line",
    ),
    (
        "a,y\n1,0\n-inf,1\n",
        "data.csv, line 3, column 'a': '-inf' is no finite number: correct it or delete the line",
    ),
    (
        "a,y\n1,0\nunknown,1\n",
        "data.csv, line 3, column 'a': 'unknown' is text in a column of numbers: "
        "correct it or drop the column",
    ),
    (
        'a,y\n"1,234",0\n5,1\n',
        "data.csv, line 2, column 'a': '1,234' has a comma: write numbers like 1234.5",
    ),
    (
        'a,y\n1,0\n"2,1\n3,0\n',
        "data.csv, line 3: a double quote that opens a value here is never closed: close it, or "
        'write a quote within a value as ""',
    ),
    ('a,y\n1,0\n"2"3,1\n', "data.csv, line 3: ',' expected after '\"'"),
    (
        b"a,y\n1,0\nna\xefve,1\n",
        "data.csv, line 3: byte 0xef at offset 10 is not UTF-8: save the file as CSV in UTF-8",
    ),
    ("a,y\n1,0\n".encode("utf-16"), "data.csv is text in UTF-16: save it as CSV in UTF-8"),
    (
        b"a,y\n1,\0\n",
        "data.csv, line 2: byte 0x00 at offset 6 does not belong in a text: "
        "the file is damaged or no CSV",
    ),
    (
        b"PK\x03\x04\x14\0",
        "data.csv is a spreadsheet or ZIP file, not text: export it as CSV",
    ),
    (
        "a,y\n1,no\n2,no\n",
        "data.csv, column 'y': every value is 'no': rows of a second class are needed too",
    ),
    (
        "a,y\n1,2\n2,10\n3,1\n",
        "data.csv, column 'y': a target has exactly two different values, this column 3 "
        "('1', '2', '10'): choose another column or keep the rows of two classes",
    ),
]


class TestBadFiles:
    @pytest.mark.parametrize(("content", "wanted"), BAD)
    def test_one_line_names_the_place_and_the_cure(
        self, csv: Any, content: str | bytes, wanted: str
    ) -> None:
        path = csv(content)
        with pytest.raises(ValueError) as caught:  # noqa: PT011 (the whole text is compared)
            read_csv(path, target="y")
        assert message(caught.value, path) == wanted

    @pytest.mark.parametrize("cell", ["", "NA", "na", "N/A", "#N/A", "NaN", "null", "NULL", "?"])
    @pytest.mark.parametrize("other", ["1", "text"])
    def test_missing_values(self, csv: Any, cell: str, other: str) -> None:
        with pytest.raises(ValueError, match="line 3, column 'a': the value is missing"):
            read_csv(csv(f"a,b\n{other},1\n {cell} ,1\n"))

    def test_missing_target_lists_near_names(self, csv: Any) -> None:
        path = csv(GOOD)
        with pytest.raises(KeyError) as caught:
            read_csv(path, target="Ill")
        assert message(caught.value, path) == (
            "data.csv: no column 'Ill' (did you mean 'ill'?); there are 'age', 'colour', 'ill'"
        )
        with pytest.raises(KeyError, match=r"'COLOUR' \(did you mean 'colour'\?\)"):
            read_csv(path, target="COLOUR")
        with pytest.raises(KeyError, match=r"no columns 'agee' \(did you mean 'age'\?\), 'zzz';"):
            read_csv(path, drop=["agee", "zzz"])

    def test_long_lists_are_cut(self, csv: Any) -> None:
        path = csv(",".join(f"c{i}" for i in range(40)) + "\n")
        with pytest.raises(KeyError, match=r"'c9', … \(40 in all\)$"):
            read_csv(path, target="y")

    def test_no_file_or_a_folder(self, tmp_path: Path) -> None:
        path = tmp_path / "data.csv"
        with pytest.raises(FileNotFoundError) as caught:
            read_csv(path)
        assert message(caught.value, path) == "data.csv: there is no such file"
        with pytest.raises(IsADirectoryError, match="is a directory: name a CSV file in it"):
            read_csv(tmp_path)

    def test_unreadable_file(self, csv: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        path = csv(GOOD)

        def refuse(*_: object) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("builtins.open", refuse)
        with pytest.raises(PermissionError) as caught:
            read_csv(path)
        monkeypatch.undo()
        assert message(caught.value, path) == "data.csv cannot be read: Permission denied"

    @settings(max_examples=200, deadline=None)
    @given(st.text('ab1.,;\t"\n\r ?é_-', max_size=60).map(str.encode) | st.binary(max_size=20))
    def test_any_bytes_give_a_table_or_one_line(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "any.csv"
        path.write_bytes(content)
        try:
            table = read_csv(path)
        except ValueError as error:
            said = message(error, path)
        else:
            said = "any.csv"
            assert all(len(table[name]) == len(table) > 0 for name in table.names)
        assert said.startswith("any.csv")


NAMES = st.text(string.ascii_letters + ' ,;"\n\r\té', min_size=1, max_size=8).map(str.strip)
WORDS = st.text(string.ascii_letters + ' ,;"\n\r\té', min_size=1, max_size=8).map(
    lambda text: "w" + text.strip()
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    names = draw(st.lists(NAMES.filter(bool), min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(1, 6))
    kinds = [draw(st.sampled_from([FLOATS, WORDS])) for _ in names]
    return Table({n: draw(st.lists(k, min_size=rows, max_size=rows)) for n, k in zip(names, kinds)})


class TestWriting:
    @settings(max_examples=60, deadline=None)
    @given(tables())
    def test_what_is_written_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, table: Table
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "round.csv"
        table.write_csv(path)
        again = read_csv(path)
        assert again.names == table.names
        for name in table.names:
            assert again[name].dtype == table[name].dtype
            assert again[name].tolist() == table[name].tolist()

    def test_the_text_that_is_written(self, tmp_path: Path) -> None:
        path = tmp_path / "out.csv"
        Table({"a": [1, 0.1], "b, c": ["x", 'say "hi"']}).write_csv(path)
        assert path.read_bytes() == b'a,"b, c"\n1,x\n0.1,"say ""hi"""\n'


class TestTable:
    def test_kinds(self) -> None:
        table = Table({"i": np.arange(2), "t": np.array([" a ", "b"]), "b": [True, False]})
        assert [table[name].dtype.kind for name in table.names] == ["f", "O", "O"]
        assert table["t"].tolist() == ["a", "b"]
        assert table["b"].tolist() == ["True", "False"]
        assert table.texts("i").tolist() == ["0", "1"]

    def test_bad_columns(self) -> None:
        with pytest.raises(ValueError, match=r"columns differ in length: \{'a': 1, 'b': 2\}"):
            Table({"a": [1], "b": [1, 2]})
        with pytest.raises(ValueError, match=r"column 'a' has shape \(1, 1\), not one dimension"):
            Table({"a": [[1]]})
        with pytest.raises(ValueError, match=r"column 'a', row 1 \(from 0\) is nan"):
            Table({"a": [1, np.nan]})
        with pytest.raises(ValueError, match=r"column 'a', row 1 \(from 0\) is missing \('NA'\)"):
            Table({"a": ["x", "NA"]})
        with pytest.raises(TypeError, match=r"column 'a', row 1 \(from 0\) holds None: a column"):
            Table({"a": ["x", None]})
        with pytest.raises(ValueError, match=r"lines has shape \(2,\), there are 1 rows"):
            Table({"a": [1]}, lines=[1, 2])

    def test_take_keeps_lines(self, csv: Any) -> None:
        table = read_csv(csv(GOOD)).take([2, 0])
        assert table.lines.tolist() == [4, 2]
        assert table["colour"].tolist() == ["red", "red"]
        assert table.where(0, "age").endswith("data.csv, line 4, column 'age'")
        assert len(table.take([])) == 0
        assert table.take([False, True])["age"].tolist() == [31.0]
        with pytest.raises(KeyError, match="no column 'size'"):
            table["size"]
        with pytest.raises(ValueError, match="line 4, column 'colour': 'red' is text, not a num"):
            table.numbers("colour")

    @settings(deadline=None)
    @given(st.integers(2, 60), st.floats(0.05, 0.95), st.integers(0, 9))
    def test_split_is_a_partition_in_equal_shares(self, n: int, share: float, seed: int) -> None:
        table = Table({"x": range(n), "y": [int(i % 3 == 0) for i in range(n)]})
        train, held = table.split(share, target="y", generator=seeded(seed))
        assert sorted([*train, *held]) == list(range(n))
        assert len(held) == min(max(round(share * n), 1), n - 1)
        positives = table.numbers("y")[held].sum()
        assert abs(positives - len(held) * table.numbers("y").mean()) <= 1.0

    def test_split_trains_on_every_text(self) -> None:
        table = Table({"x": ["rare", *"ab" * 20]})
        for seed in range(20):
            train, held = table.split(0.5, generator=seeded(seed))
            assert 0 in train
            assert len(held) in (19, 20)

    def test_split_depends_on_the_generator_alone(self) -> None:
        table = Table({"x": range(50)})
        first = table.split(0.2, generator=seeded(1))[1].tolist()
        assert first == table.split(0.2, generator=seeded(1))[1].tolist()
        assert first != table.split(0.2, generator=seeded(2))[1].tolist()

    def test_split_refuses(self) -> None:
        table = Table({"x": range(5)})
        for fraction in (0.0, 1.0, -1.0, float("nan")):
            with pytest.raises(ValueError, match="split: fraction is"):
                table.split(fraction, generator=seeded(0))
        for small in (Table({"x": [1]}), Table({"x": ["a", "b"]}), Table({})):
            with pytest.raises(ValueError, match="too few to hold some out"):
                small.split(0.5, generator=seeded(0))


class TestClasses:
    @pytest.mark.parametrize(
        ("values", "wanted"),
        [
            ([10, 2, 10], ("2", "10")),
            ([0.5, -1.0], ("-1", "0.5")),
            (["yes", "no"], ("no", "yes")),
            ([True, False], ("False", "True")),
        ],
    )
    def test_sorted(self, values: list[Any], wanted: tuple[str, str]) -> None:
        table = Table({"y": values})
        assert binary_classes(table, "y") == wanted
        assert binary_classes(table, "y", positive=max(values)) == wanted
        assert binary_classes(table, "y", positive=min(values)) == wanted[::-1]
        assert binary_classes(table, "y", positive=wanted[0]) == wanted[::-1]

    def test_positive_is_one_of_them(self) -> None:
        with pytest.raises(ValueError, match="positive is 'maybe', the classes are 'no', 'yes'"):
            binary_classes(Table({"y": ["no", "yes"]}), "y", positive="maybe")

    def test_a_continuous_target(self) -> None:
        with pytest.raises(ValueError, match=r"this column 50 \('0', '1', .*… \(50 in all\)\)"):
            binary_classes(Table({"y": range(50)}), "y")


def test_builtin_table_holds_the_decimals_of_the_source() -> None:
    table = builtin_table()
    assert len(table) == 569
    assert len(table.names) == 31
    assert table.names[-1] == "diagnosis"
    assert table.numbers("mean radius")[:3].tolist() == [17.99, 20.57, 19.69]
    assert table.numbers("fractal dimension error")[568] == 0.002783
    assert binary_classes(table, "diagnosis") == ("benign", "malignant")
    assert table["diagnosis"].tolist().count("malignant") == 212
    values = np.concatenate([table.numbers(name) for name in table.names[:30]])
    assert all(value == float(f"{value:.5g}") for value in values.tolist())
