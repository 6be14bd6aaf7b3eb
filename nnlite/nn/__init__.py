"""Modules: layers, losses, containers, and what they are made of."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from nnlite.missing import no_attribute
from nnlite.nn.module import Module
from nnlite.nn.parameter import Parameter

if TYPE_CHECKING:
    from nnlite.nn import functional, init, lora, utils
    from nnlite.nn.layers.activation import (
        GLU,
        Hardshrink,
        Hardsigmoid,
        Hardtanh,
        LogSigmoid,
        Sigmoid,
        Softshrink,
        Softsign,
        Tanh,
        Tanhshrink,
    )
    from nnlite.nn.layers.attention import MultiheadAttention
    from nnlite.nn.layers.batch_norm import BatchNorm1d, BatchNorm2d, InstanceNorm1d, InstanceNorm2d
    from nnlite.nn.layers.cells import GRUCell, LSTMCell, RNNCell
    from nnlite.nn.layers.containers import ModuleDict, ModuleList, Sequential
    from nnlite.nn.layers.conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
    from nnlite.nn.layers.distance import CosineSimilarity, PairwiseDistance
    from nnlite.nn.layers.dropout import (
        AlphaDropout,
        Dropout,
        Dropout1d,
        Dropout2d,
        FeatureAlphaDropout,
    )
    from nnlite.nn.layers.embedding import Embedding
    from nnlite.nn.layers.linear import Bilinear, Identity, Linear
    from nnlite.nn.layers.norm import GroupNorm, LayerNorm, RMSNorm
    from nnlite.nn.layers.pad import (
        CircularPad1d,
        CircularPad2d,
        ConstantPad1d,
        ConstantPad2d,
        ReflectionPad1d,
        ReflectionPad2d,
        ReplicationPad1d,
        ReplicationPad2d,
        ZeroPad1d,
        ZeroPad2d,
    )
    from nnlite.nn.layers.parameters import ParameterDict, ParameterList
    from nnlite.nn.layers.pool import (
        AdaptiveAvgPool1d,
        AdaptiveAvgPool2d,
        AdaptiveMaxPool1d,
        AdaptiveMaxPool2d,
        AvgPool1d,
        AvgPool2d,
        MaxPool1d,
        MaxPool2d,
    )
    from nnlite.nn.layers.rectifier import (
        CELU,
        ELU,
        GELU,
        SELU,
        Hardswish,
        LeakyReLU,
        Mish,
        PReLU,
        ReLU,
        ReLU6,
        SiLU,
        Softplus,
        Threshold,
    )
    from nnlite.nn.layers.recurrent import GRU, LSTM, RNN
    from nnlite.nn.layers.resample import Fold, PixelShuffle, PixelUnshuffle, Unfold, Upsample
    from nnlite.nn.layers.shape import Flatten, Unflatten
    from nnlite.nn.layers.softmax import LogSoftmax, Softmax, Softmax2d, Softmin
    from nnlite.nn.layers.transformer import (
        TransformerDecoder,
        TransformerDecoderLayer,
        TransformerEncoder,
        TransformerEncoderLayer,
    )
    from nnlite.nn.layers.transformer_model import Transformer
    from nnlite.nn.loss import (
        BCELoss,
        BCEWithLogitsLoss,
        CrossEntropyLoss,
        KLDivLoss,
        MultiLabelSoftMarginLoss,
        NLLLoss,
        SoftMarginLoss,
    )
    from nnlite.nn.margin_loss import (
        CosineEmbeddingLoss,
        HingeEmbeddingLoss,
        MarginRankingLoss,
        TripletMarginLoss,
    )
    from nnlite.nn.regression_loss import (
        GaussianNLLLoss,
        HuberLoss,
        L1Loss,
        MSELoss,
        PoissonNLLLoss,
        SmoothL1Loss,
    )

# Imported when first asked for: a program uses a few of them.
_FILES = {
    "layers.activation": (
        "GLU Hardshrink Hardsigmoid Hardtanh LogSigmoid Sigmoid Softshrink Softsign Tanh Tanhshrink"
    ),
    "layers.attention": "MultiheadAttention",
    "layers.batch_norm": "BatchNorm1d BatchNorm2d InstanceNorm1d InstanceNorm2d",
    "layers.cells": "GRUCell LSTMCell RNNCell",
    "layers.containers": "ModuleDict ModuleList Sequential",
    "layers.conv": "Conv1d Conv2d ConvTranspose1d ConvTranspose2d",
    "layers.distance": "CosineSimilarity PairwiseDistance",
    "layers.dropout": "AlphaDropout Dropout Dropout1d Dropout2d FeatureAlphaDropout",
    "layers.embedding": "Embedding",
    "layers.linear": "Bilinear Identity Linear",
    "layers.norm": "GroupNorm LayerNorm RMSNorm",
    "layers.pad": (
        "CircularPad1d CircularPad2d ConstantPad1d ConstantPad2d ReflectionPad1d ReflectionPad2d "
        "ReplicationPad1d ReplicationPad2d ZeroPad1d ZeroPad2d"
    ),
    "layers.parameters": "ParameterDict ParameterList",
    "layers.pool": (
        "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveMaxPool1d AdaptiveMaxPool2d AvgPool1d "
        "AvgPool2d MaxPool1d MaxPool2d"
    ),
    "layers.rectifier": (
        "CELU ELU GELU SELU Hardswish LeakyReLU Mish PReLU ReLU ReLU6 SiLU Softplus Threshold"
    ),
    "layers.recurrent": "GRU LSTM RNN",
    "layers.resample": "Fold PixelShuffle PixelUnshuffle Unfold Upsample",
    "layers.shape": "Flatten Unflatten",
    "layers.softmax": "LogSoftmax Softmax Softmax2d Softmin",
    "layers.transformer": (
        "TransformerDecoder TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer"
    ),
    "layers.transformer_model": "Transformer",
    "loss": (
        "BCELoss BCEWithLogitsLoss CrossEntropyLoss KLDivLoss MultiLabelSoftMarginLoss NLLLoss "
        "SoftMarginLoss"
    ),
    "margin_loss": "CosineEmbeddingLoss HingeEmbeddingLoss MarginRankingLoss TripletMarginLoss",
    "regression_loss": "GaussianNLLLoss HuberLoss L1Loss MSELoss PoissonNLLLoss SmoothL1Loss",
}
_PARTS = {name: name for name in ("functional", "init", "lora", "utils")}
_LAZY = {**_PARTS, **{name: file for file, names in _FILES.items() for name in names.split()}}

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "GRU", "LSTM", "RNN", "SELU", "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d", "AlphaDropout", "AvgPool1d",
    "AvgPool2d", "BCELoss", "BCEWithLogitsLoss", "BatchNorm1d", "BatchNorm2d", "Bilinear",
    "CircularPad1d", "CircularPad2d", "ConstantPad1d", "ConstantPad2d", "Conv1d", "Conv2d",
    "ConvTranspose1d", "ConvTranspose2d", "CosineEmbeddingLoss", "CosineSimilarity",
    "CrossEntropyLoss", "Dropout", "Dropout1d", "Dropout2d", "Embedding", "FeatureAlphaDropout",
    "Flatten", "Fold", "GRUCell", "GaussianNLLLoss", "GroupNorm", "Hardshrink", "Hardsigmoid",
    "Hardswish", "Hardtanh", "HingeEmbeddingLoss", "HuberLoss", "Identity", "InstanceNorm1d",
    "InstanceNorm2d", "KLDivLoss", "L1Loss", "LSTMCell", "LayerNorm", "LeakyReLU", "Linear",
    "LogSigmoid", "LogSoftmax", "MSELoss", "MarginRankingLoss", "MaxPool1d", "MaxPool2d", "Mish",
    "Module", "ModuleDict", "ModuleList", "MultiLabelSoftMarginLoss", "MultiheadAttention",
    "NLLLoss", "PReLU", "PairwiseDistance", "Parameter", "ParameterDict", "ParameterList",
    "PixelShuffle", "PixelUnshuffle", "PoissonNLLLoss", "RMSNorm", "RNNCell", "ReLU", "ReLU6",
    "ReflectionPad1d", "ReflectionPad2d", "ReplicationPad1d", "ReplicationPad2d", "Sequential",
    "SiLU", "Sigmoid", "SmoothL1Loss", "SoftMarginLoss", "Softmax", "Softmax2d", "Softmin",
    "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold", "Transformer",
    "TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder",
    "TransformerEncoderLayer", "TripletMarginLoss", "Unflatten", "Unfold", "Upsample", "ZeroPad1d",
    "ZeroPad2d", "functional", "init", "lora", "utils",
]  # fmt: skip


if not TYPE_CHECKING:  # else a type checker would take every name to be there

    def __getattr__(name: str) -> Any:
        file = _LAZY.get(name)
        if file is None:
            raise no_attribute("nnlite.nn", name, __all__)
        module = import_module(f"nnlite.nn.{file}")
        value = globals()[name] = module if name == file else getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
