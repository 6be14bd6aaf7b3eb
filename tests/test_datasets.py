"""The data sets: sizes, values, names, credits; and that reading them needs NumPy alone."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnlite import datasets
from nnlite.datasets import Bundle
from nnlite.ops.random import Generator
from nnlite.tensor import Tensor, wrap

DATA = Path(datasets.__file__).parent / "data"


def seeded(seed: int) -> Generator:
    return Generator().manual_seed(seed)


class TestShipped:
    def test_breast_cancer(self) -> None:
        data = datasets.breast_cancer()
        x, y = data
        assert isinstance(x, Tensor)
        assert (x.numpy().shape, x.numpy().dtype) == ((569, 30), np.float32)
        assert (y.numpy().shape, y.numpy().dtype) == ((569,), np.int64)
        assert np.bincount(y.numpy()).tolist() == [212, 357]
        assert data.classes == ("malignant", "benign")
        assert len(data.columns) == 30
        assert data.columns[::10] == ("mean radius", "radius error", "worst radius")
        assert data.columns[7] == "mean concave points"
        assert [str(v) for v in x.numpy()[0, [0, 3, 19]]] == ["17.99", "1001.0", "0.006193"]
        assert y.numpy()[[0, 19, 568]].tolist() == [0, 1, 1]

    def test_digits(self) -> None:
        data = datasets.digits()
        x, y = (tensor.numpy() for tensor in data)
        assert (x.shape, x.dtype) == ((1797, 8, 8), np.float32)
        assert (y.shape, y.dtype) == ((1797,), np.int64)
        assert (x.min(), x.max()) == (0.0, 16.0)
        assert np.array_equal(x, np.rint(x))
        assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
        assert data.classes == tuple("0123456789")
        assert (data.columns[0], data.columns[9], data.columns[63]) == (
            "pixel_0_0",
            "pixel_1_1",
            "pixel_7_7",
        )
        assert x[0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]

    @pytest.mark.parametrize(
        ("name", "digest"),
        [
            ("breast_cancer_x", "ace340f3a4f89247"),
            ("breast_cancer_y", "9d6ceae784435351"),
            ("digits_x", "8f26b2bd9d135c25"),
            ("digits_y", "8ba4f891220f5e4c"),
        ],
    )
    def test_files_are_those_that_were_compared_with_the_source(
        self, name: str, digest: str
    ) -> None:
        values = np.load(DATA / f"{name}.npy", allow_pickle=False)
        assert hashlib.sha256(values.tobytes()).hexdigest()[:16] == digest

    def test_credits(self) -> None:
        readme = (DATA / "README.md").read_text(encoding="utf-8")
        for data in (datasets.breast_cancer(), datasets.digits()):
            assert data.licence == "CC BY 4.0"
            doi = data.source.split()[-1]
            assert doi.startswith("https://doi.org/10.24432/")
            assert doi in readme

    def test_loading_imports_nothing_heavy(self) -> None:
        code = (
            "import sys, numpy; before = set(sys.modules)\n"
            "from nnlite.datasets import breast_cancer; breast_cancer()\n"
            "from nnlite.io.preprocess import Preprocessor\n"
            "from nnlite.io.table import builtin_table\n"
            "table = builtin_table()\n"
            "train, valid = table.split(0.2, target='diagnosis')\n"
            "Preprocessor.fit(table.take(train), 'diagnosis').transform(table)\n"
            "assert 'numpy.ma' not in sys.modules\n"
            "roots = {name.split('.')[0] for name in set(sys.modules) - before}\n"
            "print(*sorted(roots - set(sys.stdlib_module_names)))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        roots = {name for name in done.stdout.split() if "cython" not in name}
        assert roots - {"numpy"} == {"nnlite"}

    def test_a_copy_each_time(self) -> None:
        datasets.breast_cancer().x.numpy()[:] = 0.0
        assert datasets.breast_cancer().x.numpy().any()


class TestMoons:
    def test_without_noise_the_points_lie_on_the_half_circles(self) -> None:
        x, y = (tensor.numpy() for tensor in datasets.moons(101, 0.0, seeded(0)))
        assert (x.shape, x.dtype, y.dtype) == ((101, 2), np.float32, np.int64)
        assert np.bincount(y).tolist() == [50, 51]
        outer = x[y == 0]
        inner = x[y == 1]
        np.testing.assert_allclose(np.hypot(*outer.T), 1.0, rtol=1e-6)
        np.testing.assert_allclose(np.hypot(inner[:, 0] - 1.0, inner[:, 1] - 0.5), 1.0, rtol=1e-6)
        assert outer[:, 1].min() > -1e-6
        assert inner[:, 1].max() < 0.5 + 1e-6
        angles = np.sort(np.arctan2(outer[:, 1], outer[:, 0]) % (2 * np.pi))
        np.testing.assert_allclose(angles, np.linspace(0.0, np.pi, 50), atol=1e-6)

    def test_noise_has_the_deviation_asked_for(self) -> None:
        x, y = (tensor.numpy() for tensor in datasets.moons(20_000, 0.2, seeded(0)))
        radius = np.hypot(*x[y == 0].T)
        assert radius.std() == pytest.approx(0.2, rel=0.03)

    @pytest.mark.parametrize("n", [2, 3, 10])
    def test_balanced_and_shuffled(self, n: int) -> None:
        y = datasets.moons(n, generator=seeded(0)).y.numpy()
        assert np.bincount(y).tolist() == [n // 2, n - n // 2]
        long = datasets.moons(200, generator=seeded(0)).y.numpy()
        assert 60 < np.count_nonzero(np.diff(long)) < 140

    def test_depends_on_the_generator_alone(self) -> None:
        first = datasets.moons(50, generator=seeded(1))
        again = datasets.moons(50, generator=seeded(1))
        other = datasets.moons(50, generator=seeded(2))
        assert first.x.numpy().tobytes() == again.x.numpy().tobytes()
        assert first.y.numpy().tobytes() == again.y.numpy().tobytes()
        assert first.x.numpy().tobytes() != other.x.numpy().tobytes()

    def test_refuses(self) -> None:
        with pytest.raises(ValueError, match="moons: n is 1, two classes need 2 samples or more"):
            datasets.moons(1)
        for noise in (-0.1, float("nan"), float("inf")):
            with pytest.raises(ValueError, match=f"moons: noise is {noise}"):
                datasets.moons(10, noise)


class TestBundle:
    def test_is_fixed(self) -> None:
        data = datasets.breast_cancer()
        with pytest.raises(AttributeError, match="Bundle: name is fixed"):
            data.name = "other"
        with pytest.raises(AttributeError, match="Bundle: x is fixed"):
            del data.x
        with pytest.raises(AttributeError, match="fixed"):
            data.extra = 1  # type: ignore[attr-defined]

    def test_survives_pickling(self) -> None:
        data = datasets.digits()
        again = pickle.loads(pickle.dumps(data))
        assert np.array_equal(again.x.numpy(), data.x.numpy())
        assert again.columns == data.columns
        assert repr(again) == repr(data)
        assert len(again) == 1797

    def test_refuses_sizes_that_do_not_belong_together(self) -> None:
        def make(x: tuple[int, ...], y: int, columns: int) -> Bundle:
            return Bundle(
                "made",
                wrap(np.zeros(x, dtype=np.float32)),
                wrap(np.zeros(y, dtype=np.int64)),
                columns=("c",) * columns,
                classes=("a", "b"),
                source="",
                licence="",
            )

        assert len(make((4, 2, 3), 4, 6)) == 4
        with pytest.raises(ValueError, match=r"x has shape \(4, 2\), y \(3,\)"):
            make((4, 2), 3, 2)
        with pytest.raises(ValueError, match=r"x has shape \(4, 2\), columns are 3"):
            make((4, 2), 4, 3)
