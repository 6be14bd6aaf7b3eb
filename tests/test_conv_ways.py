"""The ways in which a convolution is computed give the same numbers, whatever the layout."""

import itertools

import numpy as np
import pytest
from captured import both, pair, warmed
from duck import Duck

import nnlite
import nnlite.nn.functional as F
from nnlite.ops import columns
from nnlite.ops.layout import channel_sums, pixels_first, pixels_last, samples_first, samples_last
from nnlite.ops.windows import Windows


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    """Small images, too, are computed in the ways that are meant for many channels."""
    monkeypatch.setattr(columns, "_MANY", 4)


def values(*shape, dtype=np.float64):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def gradients(function, *arrays):
    """The output, and the gradients of all arguments for some gradient of the output."""
    tensors = [nnlite.from_numpy(a).requires_grad_() for a in arrays]
    y = function(*tensors)
    y.backward(nnlite.from_numpy(values(*y.shape)))
    return [y.detach().numpy(), *(t.grad.numpy() for t in tensors)]


SHAPES = [
    # input, outputs, kernel, options
    ((2, 16, 6, 6), 17, (3, 3), {"padding": 1}),
    ((3, 18, 5, 7), 16, (3, 3), {"padding": 2}),
    ((2, 16, 7, 4), 16, (3, 3), {}),
    ((1, 16, 4, 5), 16, (3, 3), {"padding": (4, 3)}),
    ((600, 16, 2, 3), 16, (3, 3), {"padding": 1}),
    ((2, 16, 9, 70), 16, (3, 3), {"padding": (0, 1)}),
    ((2, 16, 6, 5), 16, (3, 3), {"padding": "same"}),
    ((2, 16, 7, 8), 20, (3, 3), {"stride": 2, "padding": 1}),
    ((2, 16, 8, 6), 20, (3, 2), {"dilation": (2, 1), "padding": 1}),
    ((2, 20, 5, 6), 16, (1, 1), {}),
    ((2, 20, 5, 6), 16, (1, 1), {"stride": 2}),
    ((2, 16, 3, 3), 16, (3, 3), {}),
    ((3, 17, 12), 16, (5,), {"padding": 2}),
    ((3, 17, 12), 16, (3,), {"stride": 3, "dilation": 2}),
    ((2, 3, 6, 6), 20, (3, 3), {"padding": 1}),
    ((2, 20, 6, 6), 3, (5, 5), {"padding": 3}),
    ((2, 20, 6, 6), 3, (2, 2), {"stride": 2}),
    ((2, 32, 5, 6), 32, (3, 3), {"padding": 1, "groups": 32}),
    ((2, 32, 5, 6), 32, (3, 3), {"padding": (2, 0), "stride": (2, 1), "groups": 32}),
    ((3, 16, 9, 8), 16, (3, 2), {"padding": 1, "dilation": (1, 2), "stride": 3, "groups": 16}),
    ((600, 4, 3, 4), 4, (5, 5), {"padding": 2, "groups": 4}),
    ((3, 20, 5, 6), 20, (1, 1), {"stride": 2, "groups": 20}),
    ((3, 20, 9), 20, (3,), {"padding": 2, "stride": 2, "groups": 20}),
    ((2, 32, 5, 6), 64, (3, 3), {"padding": 1, "groups": 32}),
    ((2, 32, 5, 6), 64, (3, 3), {"padding": 1, "groups": 2}),
]


@pytest.mark.parametrize(("shape", "outs", "kernel", "options"), SHAPES)
def test_all_ways_agree(monkeypatch, shape, outs, kernel, options):
    function = F.conv1d if len(kernel) == 1 else F.conv2d
    arrays = [
        values(*shape),
        values(outs, shape[1] // options.get("groups", 1), *kernel),
        values(outs),
    ]
    found = gradients(lambda *a: function(*a, **options), *arrays)
    ways = [found]
    monkeypatch.setattr(columns.Geometry, "by_winograd", lambda *_: False)
    ways.append(gradients(lambda *a: function(*a, **options), *arrays))
    monkeypatch.setattr(columns, "_BLOCK_BYTES", 1)
    monkeypatch.setattr(columns, "_COLUMN_BYTES", 1)
    ways.append(gradients(lambda *a: function(*a, **options), *arrays))
    monkeypatch.setattr(columns, "_MANY", 10**9)
    plain = gradients(lambda *a: function(*a, **options), *arrays)
    for way, (wanted, got) in itertools.product(ways, zip(plain, found)):
        assert len(way) == len(plain)
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)
    for way in ways[1:]:
        for got, wanted in zip(way, plain):
            np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("shape", "outs", "kernel", "options"), SHAPES)
def test_against_the_sum_itself(shape, outs, kernel, options):
    if isinstance(options.get("padding"), str):
        return
    dims, groups = len(kernel), options.get("groups", 1)
    pads, strides, dilations = (
        np.broadcast_to(options.get(name, default), dims)
        for name, default in (("padding", 0), ("stride", 1), ("dilation", 1))
    )
    seen = shape[1] // groups
    x, w = values(*shape), values(outs, seen, *kernel)
    whole = np.zeros((outs, shape[1], *kernel))
    for out in range(outs):
        first = out * groups // outs * seen
        whole[out, first : first + seen] = w[out]
    padded = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in pads)])
    function = F.conv1d if dims == 1 else F.conv2d
    y = function(nnlite.from_numpy(x), nnlite.from_numpy(w), **options).numpy()
    wanted = np.zeros(y.shape)
    for place in itertools.product(*map(range, y.shape[2:])):
        window = padded[
            (..., *(slice(s * o, s * o + d * k, d)
                    for s, o, d, k in zip(strides, place, dilations, kernel)))
        ]  # fmt: skip
        wanted[(..., *place)] = np.tensordot(window, whole, [range(1, dims + 2)] * 2)
    np.testing.assert_allclose(y, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("channels", [16, 64])
def test_winograd_rounds_like_direct_sums(monkeypatch, channels):
    x, w = values(4, channels, 16, 16), values(channels, channels, 3, 3)
    single = [a.astype(np.float32) for a in (x, w)]
    exact = gradients(lambda *a: F.conv2d(*a, padding=1), x, w)
    errors = []
    for _ in range(2):
        y = F.conv2d(*map(nnlite.from_numpy, single), padding=1).numpy()
        errors.append(np.abs(y - exact[0]).max())
        monkeypatch.setattr(columns.Geometry, "by_winograd", lambda *_: False)
    assert errors[0] < 4 * errors[1]


def laid_out():
    """The same images in every layout that operators leave them in."""
    x = values(3, 16, 6, 4)
    yield x
    yield pixels_last(pixels_first(x).copy())
    yield samples_first(samples_last(x).copy())
    yield pixels_last(np.ascontiguousarray(np.pad(pixels_first(x), 1)))[1:-1, 1:-1, 1:-1, 1:-1]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.conv2d(x, nnlite.from_numpy(values(16, 16, 3, 3)), padding=1),
        lambda x: F.conv2d(x, nnlite.from_numpy(values(16, 16, 2, 2))),
        lambda x: F.conv2d(x, nnlite.from_numpy(values(4, 16, 3, 3)), padding=1),
        lambda x: F.conv2d(x, nnlite.from_numpy(values(16, 4, 3, 3)), groups=4),
        lambda x: F.conv2d(x, nnlite.from_numpy(values(16, 1, 3, 3)), padding=1, groups=16),
        lambda x: F.conv_transpose2d(x, nnlite.from_numpy(values(16, 16, 3, 3)), stride=2),
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.max_pool2d(x, 3, 2, 1),
        lambda x: F.avg_pool2d(x, 2),
        lambda x: F.adaptive_avg_pool2d(x, 3),
        lambda x: F.adaptive_max_pool2d(x, 3),
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: F.group_norm(x, 4),
        lambda x: F.relu(x),
        lambda x: x.flatten(1),
        lambda x: x.view(3, -1),
        lambda x: x.view(-1),
        lambda x: nnlite.cat([x, x], 1),
        lambda x: F.interpolate(x, scale_factor=2),
    ],
)
def test_the_layout_changes_nothing(function):
    first, *others = [gradients(function, x) for x in list(laid_out())[:3]]
    for other in others:
        for wanted, got in zip(first, other):
            np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9)


def test_sums_of_channels_in_every_layout():
    wanted = next(laid_out()).sum(axis=(0, 2, 3))
    for x in laid_out():
        np.testing.assert_allclose(channel_sums(x), wanted, rtol=1e-12)


def test_view_of_what_a_convolution_laid_out():
    x = nnlite.from_numpy(values(3, 16, 6, 6))
    y = F.conv2d(x, nnlite.from_numpy(values(16, 16, 3, 3)), padding=1)
    kept = y.numpy().copy()
    np.testing.assert_array_equal(y.view(-1).numpy(), kept.reshape(-1))
    np.testing.assert_array_equal(y.view(3, 4, -1).numpy(), kept.reshape(3, 4, -1))
    y.view(-1).zero_()
    assert not y.numpy().any()
    half = F.conv2d(x, nnlite.from_numpy(values(16, 16, 3, 3)), padding=1)[:, :8]
    np.testing.assert_array_equal(half.view(3, -1).numpy(), half.numpy().reshape(3, -1))
    with pytest.raises(RuntimeError, match="view: the elements do not lie"):
        nnlite.ones(3, 4).t().view(-1)


@pytest.mark.parametrize("many", [1, 4, 10**9])
def test_exports_in_every_way(monkeypatch, tmp_path, many):
    monkeypatch.setattr(columns, "_MANY", many)
    nn = nnlite.nn
    nnlite.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(16, 16, 2, padding=1),
        nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.Conv2d(16, 4, 1), nn.Flatten(),
        nn.Linear(64, 2),
    ).eval()  # fmt: skip
    path = tmp_path / "model.py"
    example = nnlite.from_numpy(values(2, 3, 12, 12, dtype=np.float32))
    nnlite.export.to_numpy(model, example, path)
    file = {"__file__": str(path), "__name__": "model"}
    exec(compile(path.read_text("utf-8"), str(path), "exec"), file)
    for samples in (1, 2, 5):
        x = values(samples, 3, 12, 12, dtype=np.float32)
        with nnlite.no_grad():
            wanted = model(nnlite.from_numpy(x)).numpy()
        np.testing.assert_allclose(file["predict"](x), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "weight", "options"),
    [
        ((1, 8, 3, 3), (8, 8, 3, 3), {"padding": 1}),
        ((1, 8, 3, 3), (8, 8, 2, 2), {"stride": 2, "padding": 1}),
        ((2, 2, 4, 3), (3, 2, 3, 2), {"padding": 1}),
        ((2, 4, 4, 3), (4, 1, 3, 3), {"padding": 1, "groups": 4}),
        ((2, 4, 5, 3), (4, 1, 3, 2), {"stride": 2, "padding": 1, "groups": 4}),
    ],
)
def test_second_derivatives_in_every_way(shape, weight, options):
    x, w = (nnlite.from_numpy(values(*s)).requires_grad_() for s in (shape, weight))

    def norm(*inputs):
        y = F.conv2d(*inputs, **options)
        return nnlite.autograd.grad((y * y * y).sum(), inputs, create_graph=True)

    direction = [nnlite.from_numpy(values(*t.shape)) for t in (x, w)]
    total = sum((g * d).sum() for g, d in zip(norm(x, w), direction))
    found = nnlite.autograd.grad(total, (x, w))
    step = 1e-5
    ends = []
    for sign in (1, -1):
        moved = [(t.detach() + sign * step * d).requires_grad_() for t, d in zip((x, w), direction)]
        ends.append(norm(*moved))
    for got, up, down in zip(found, *ends):
        wanted = (up.detach().numpy() - down.detach().numpy()) / (2 * step)
        np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("many", [1, 10**9])
@pytest.mark.parametrize("groups", [1, 6])
@pytest.mark.parametrize(("kernel", "stride"), [((3, 3), 1), ((2, 3), 1), ((2, 2), 2)])
def test_every_way_on_duck_arrays(monkeypatch, many, groups, kernel, stride):
    monkeypatch.setattr(columns, "_MANY", many)
    windows = Windows((stride, stride), (1, 1), (1, 1))
    places = windows.places((5, 4), kernel)
    how = columns.Geometry(windows, groups, (5, 4), kernel, places)
    outs = 7 if groups == 1 else 6
    x, w = values(2, 6, 5, 4), values(outs, 6 // groups, *kernel)
    g, b = values(2, outs, *places), values(outs)
    for compute, arrays in (
        (columns.output_of, (x, w, how, b)),
        (columns.input_of, (g, w, how)),
        (columns.weight_of, (x, g, how)),
    ):
        ducks = [a if a is how else Duck(a) for a in arrays]
        np.testing.assert_array_equal(compute(*ducks)._array, compute(*arrays))


def test_a_kernel_for_every_channel_replays():
    def model():
        return nnlite.nn.Sequential(
            nnlite.nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4), nnlite.nn.ReLU(),
            nnlite.nn.Conv2d(4, 4, 3, padding=1, groups=4), nnlite.nn.Flatten(),
            nnlite.nn.Linear(36, 1),
        )  # fmt: skip

    def batch(number):
        x = np.random.default_rng(number).standard_normal((6, 4, 5, 6)).astype(np.float32)
        return nnlite.from_numpy(x), nnlite.from_numpy((x[:, 0, 0, :1] > 0).astype(np.float32))

    worlds = pair(model=model)
    warmed(worlds, batch)
    assert both(worlds, *batch(9)) == ""
