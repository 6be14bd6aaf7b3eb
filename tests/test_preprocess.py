"""From tables to features: what is learnt, what is refused, and that it survives being stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnlite.io.preprocess import Preprocessor
from nnlite.io.table import Table, builtin_table

TRAIN = Table(
    {"age": [30, 50, 40, 40], "colour": ["red", "blue", "red", "red"], "ill": [0, 1, 1, 0]}
)


@pytest.fixture
def prep() -> Preprocessor:
    return Preprocessor.fit(TRAIN, "ill")


class TestFit:
    def test_features(self, prep: Preprocessor) -> None:
        assert prep.feature_names == ("age", "colour=blue", "colour=red")
        assert prep.columns == {"age": "number", "colour": "category"}
        assert prep.classes == ("0", "1")
        x = prep.transform(TRAIN)
        assert x.dtype == np.float32
        std = np.sqrt(50.0)
        wanted = [[-10 / std, 0, 1], [10 / std, 1, 0], [0, 0, 1], [0, 0, 1]]
        np.testing.assert_allclose(x, wanted, rtol=1e-6)
        y = prep.targets(TRAIN)
        assert y.dtype == np.int64
        assert y.tolist() == [0, 1, 1, 0]

    def test_positive(self) -> None:
        prep = Preprocessor.fit(TRAIN, "ill", positive=0)
        assert prep.classes == ("1", "0")
        assert prep.targets(TRAIN).tolist() == [1, 0, 0, 1]

    @settings(deadline=None)
    @given(
        st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30),
        st.floats(-1e6, 1e6),
        st.sampled_from([1e-100, 1.0, 1e100]),
    )
    def test_mean_0_and_std_1(self, values: list[float], shift: float, scale: float) -> None:
        column = (np.array(values) + shift) * scale
        table = Table({"x": column, "y": np.arange(len(values)) % 2})
        x = Preprocessor.fit(table, "y").transform(table)[:, 0].astype(np.float64)
        assert np.isfinite(x).all()
        spread = column.max() - column.min()
        if spread == 0.0:
            assert not x.any()
        elif spread > max(1e-9 * np.abs(column).max(), 1e-290):
            np.testing.assert_allclose(x.mean(), 0.0, atol=1e-5)
            np.testing.assert_allclose(x.std(), 1.0, rtol=1e-5)

    def test_constant_columns_become_0_and_keep_their_unit(self) -> None:
        table = Table({"x": [0.1] * 10, "y": [0, 1] * 5})
        prep = Preprocessor.fit(table, "y")
        assert prep.transform(table).tolist() == [[0.0]] * 10
        np.testing.assert_allclose(prep.transform(Table({"x": [2.1]})), [[2.0]])

    def test_a_spread_too_small_to_divide_by(self) -> None:
        table = Table({"x": [0.0, 5e-324, 0.0], "y": [0, 1, 0]})
        assert Preprocessor.fit(table, "y").transform(table).tolist() == [[0.0]] * 3

    def test_learns_from_the_rows_given_alone(self) -> None:
        table = builtin_table()
        part = table.take(range(100))
        prep = Preprocessor.fit(part, "diagnosis")
        x = prep.transform(table)
        np.testing.assert_allclose(x[:100].mean(axis=0), 0.0, atol=1e-5)
        np.testing.assert_allclose(x[:100].std(axis=0), 1.0, rtol=1e-5)
        assert np.abs(x[100:].mean(axis=0)).max() > 0.1

    def test_refuses(self) -> None:
        with pytest.raises(KeyError, match=r"no column 'sick' \(did you mean|no column 'sick'; "):
            Preprocessor.fit(TRAIN, "sick")
        with pytest.raises(ValueError, match="'ill' is the only column: others must predict it"):
            Preprocessor.fit(Table({"ill": [0, 1]}), "ill")
        with pytest.raises(ValueError, match="exactly two different values, this column 3"):
            Preprocessor.fit(TRAIN, "age")
        with pytest.raises(ValueError, match=r"column 'x': numbers from -1e\+308 to 1e\+308 are"):
            Preprocessor.fit(Table({"x": [1e308, -1e308], "y": [0, 1]}), "y")

    @pytest.mark.parametrize(("rows", "most"), [(12, 10), (60, 30), (400, 100)])
    def test_identifiers(self, rows: int, most: int) -> None:
        y = [0, 1] * (rows // 2)
        allowed = Table({"id": [f"n{i % most}" for i in range(rows)], "y": y})
        assert len(Preprocessor.fit(allowed, "y").feature_names) == most
        refused = Table({"id": [f"n{i % (most + 1)}" for i in range(rows)], "y": y})
        wanted = (
            rf"column 'id': {most + 1} different texts in {rows} rows \('n0', .*most {most} can"
        )
        with pytest.raises(ValueError, match=wanted):
            Preprocessor.fit(refused, "y")


class TestTransform:
    def test_order_and_other_columns_do_not_matter(self, prep: Preprocessor) -> None:
        table = Table({"colour": ["blue"], "other": ["x"], "age": [50]})
        np.testing.assert_array_equal(prep.transform(table), prep.transform(TRAIN)[1:2])
        assert prep.transform(TRAIN.take([])).shape == (0, 3)

    def test_missing_columns(self, prep: Preprocessor) -> None:
        wanted = r"no columns 'age' \(did you mean 'Age'\?\), 'colour'; there are 'Age'$"
        with pytest.raises(KeyError, match=wanted):
            prep.transform(Table({"Age": [1]}))
        with pytest.raises(KeyError, match="no column 'ill'"):
            prep.targets(Table({"age": [1]}))

    def test_unseen_category(self, prep: Preprocessor) -> None:
        table = Table({"age": [1, 2], "colour": ["red", "green"]}, source="new.csv", lines=[2, 7])
        with pytest.raises(ValueError) as caught:  # noqa: PT011 (the whole text is compared)
            prep.transform(table)
        assert str(caught.value) == (
            "new.csv, line 7, column 'colour': 'green' was not in the training data, "
            "which knows 'blue', 'red'"
        )

    def test_text_among_numbers_and_numbers_far_away(self, prep: Preprocessor) -> None:
        with pytest.raises(ValueError, match=r"row 0 \(from 0\), column 'age': 'x' is text, not"):
            prep.transform(Table({"age": ["x"], "colour": ["red"]}))
        with pytest.raises(ValueError, match=r"row 1 \(from 0\), column 'age': 1e\+50 is too far"):
            prep.transform(Table({"age": [1, 1e50], "colour": ["red", "red"]}))

    def test_unknown_class(self, prep: Preprocessor) -> None:
        with pytest.raises(ValueError, match=r"row 2 \(from 0\), column 'ill': '2' is neither '0'"):
            prep.targets(Table({"ill": [0, 1, 2]}))


class TestRead:
    def test_kinds_are_those_of_training(self, tmp_path: Path) -> None:
        train = Table({"grade": ["1", "2", "A"], "x": [1, 2, 3], "y": ["1", "b", "1"]})
        prep = Preprocessor.fit(train, "y")
        path = tmp_path / "new.csv"
        path.write_text("id,y,x,grade\n?,1,2,1\n,b,3,2\n")
        table = prep.read(path)
        assert table.names == ("x", "grade")
        assert prep.transform(table)[:, :3].tolist() == [[1, 0, 0], [0, 1, 0]]
        assert prep.targets(prep.read(path, target=True)).tolist() == [0, 1]

    def test_errors_name_the_file(self, tmp_path: Path, prep: Preprocessor) -> None:
        path = tmp_path / "new.csv"
        path.write_text("age,colour\nabc,red\n")
        with pytest.raises(ValueError, match=r"new\.csv, line 2, column 'age': 'abc' is text in a"):
            prep.read(path)
        with pytest.raises(KeyError, match=r"new\.csv: no column 'ill'; there are 'age', 'colour'"):
            prep.read(path, target=True)


NAMES = st.text(max_size=5)
FLOATS = st.floats(-1e100, 1e100)


@st.composite
def preprocessors(draw: st.DrawFn) -> Preprocessor:
    names = draw(st.lists(NAMES, min_size=2, max_size=5, unique=True))
    rows = draw(st.integers(2, 8))
    words = st.sampled_from(["red", "blue", "é\n", "1"])
    columns: dict[str, Any] = {
        name: draw(st.lists(draw(st.sampled_from([FLOATS, words])), min_size=rows, max_size=rows))
        for name in names
    }
    classes = draw(st.sampled_from([[0.1, 3.0], ["no", "yes"], [True, False]]))
    columns[names[-1]] = (classes * rows)[:rows]
    return Preprocessor.fit(Table(columns), names[-1])


def places(state: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything within nested dictionaries and lists."""
    inner = state.items() if isinstance(state, dict) else enumerate(state)
    found = []
    for key, value in inner:
        found.append((*path, key))
        if isinstance(value, (dict, list)):
            found += places(value, (*path, key))
    return found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


class TestStoring:
    @settings(deadline=None)
    @given(preprocessors())
    def test_round_trip_through_json_is_exact(self, prep: Preprocessor) -> None:
        again = Preprocessor.from_dict(json.loads(json.dumps(prep.to_dict())))
        assert again == prep
        assert again.to_dict() == prep.to_dict()

    def test_the_same_features_afterwards(self) -> None:
        table = builtin_table()
        prep = Preprocessor.fit(table, "diagnosis", positive="benign")
        again = Preprocessor.from_dict(json.loads(json.dumps(prep.to_dict())))
        assert again.transform(table).tobytes() == prep.transform(table).tobytes()
        assert again.targets(table).tobytes() == prep.targets(table).tobytes()
        assert repr(again) == (
            "Preprocessor(30 columns → 30 features, 'diagnosis': 'malignant' or 'benign')"
        )

    def test_not_equal(self, prep: Preprocessor) -> None:
        assert prep != Preprocessor.fit(TRAIN, "ill", positive=0)
        assert prep != prep.to_dict()

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def test_damage_is_said_or_harmless(self, data: st.DataObject) -> None:
        state = json.loads(json.dumps(Preprocessor.fit(TRAIN, "ill").to_dict()))
        way = data.draw(st.sampled_from(places(state)))
        inner: Any = state
        for key in way[:-1]:
            inner = inner[key]
        if data.draw(st.booleans()):
            del inner[way[-1]]
        else:
            inner[way[-1]] = data.draw(JSON)
        try:
            prep = Preprocessor.from_dict(state)
        except ValueError as error:
            said = str(error)
        else:
            said = "Preprocessor.from_dict: "
            assert Preprocessor.from_dict(json.loads(json.dumps(prep.to_dict()))) == prep
        assert said.startswith("Preprocessor.from_dict: ")
        assert "\n" not in said

    @pytest.mark.parametrize(
        ("key", "value", "wanted"),
        [
            ("mean", float("nan"), "mean of 'age' is nan, no finite number"),
            ("mean", True, "mean of 'age' is True, no finite number"),
            ("std", 0.0, r"std of 'age' is 0\.0, not above 0"),
            ("std", None, "std of 'age' is None, no finite number"),
            ("kind", "text", "kind of 'age' is 'text', neither 'number' nor 'category'"),
            ("kind", "category", "categories of 'age' are None, no list of texts"),
            ("name", 3, "name is 3, not a text"),
            ("name", "colour", "a column is there twice: 'ill', 'colour', 'colour'"),
            ("name", "ill", "a column is there twice: 'ill', 'ill', 'colour'"),
        ],
    )
    def test_what_is_said_of_a_column(
        self, prep: Preprocessor, key: str, value: object, wanted: str
    ) -> None:
        state: Any = prep.to_dict()
        state["columns"][0][key] = value
        with pytest.raises(ValueError, match=f"^Preprocessor.from_dict: {wanted}: the file is dam"):
            Preprocessor.from_dict(state)

    @pytest.mark.parametrize("categories", [[], ["a", "a"], ["a", 1], "ab", None])
    def test_what_is_said_of_categories(self, prep: Preprocessor, categories: object) -> None:
        state: Any = prep.to_dict()
        state["columns"][1]["categories"] = categories
        with pytest.raises(ValueError, match=r"categories of 'colour' are .*, no list of texts:"):
            Preprocessor.from_dict(state)

    @pytest.mark.parametrize("state", [None, [], {}, {"target": {}, "columns": []}])
    def test_what_is_no_description_at_all(self, state: Any) -> None:
        with pytest.raises(ValueError, match="'target' or 'columns' is not there: the file is dam"):
            Preprocessor.from_dict(state)
