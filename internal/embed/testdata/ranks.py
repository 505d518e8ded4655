"""Writes ranks.jsonl: questions and passages of the demonstration corpus with the
cosines of the original float32 model.

    pip install numpy==2.4.6 tokenizers==0.23.3
    python internal/embed/testdata/ranks.py DIR internal/demo internal/embed/testdata

DIR has config.json, model.safetensors and vocab.txt of BAAI/bge-small-en-v1.5 (see
../README.md). The forward pass below follows the definition of BERT in float32,
one text at a time; with the texts of golden.jsonl it is checked against ONNX Runtime.
"""
import json, math, pathlib, sys

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

INSTRUCTION = "Represent this sentence for searching relevant passages: "


def weights(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    kinds = {"F16": np.float16, "F32": np.float32}
    out = {}
    for name, t in header.items():
        if t["dtype"] in kinds:
            first, last = t["data_offsets"]
            raw = np.frombuffer(data[8 + size + first : 8 + size + last], kinds[t["dtype"]])
            out[name.removeprefix("bert.")] = raw.astype(np.float32).reshape(t["shape"])
    return out


def tokenizer(path):
    vocabulary = {line.rstrip("\n"): i for i, line in enumerate(open(path, encoding="utf-8", newline="\n"))}
    t = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.post_processor = processors.BertProcessing(("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"]))
    t.enable_truncation(512)
    return t


erf = np.vectorize(math.erf, otypes=[np.float32])


class Model:
    def __init__(self, dir):
        self.w = weights(dir / "model.safetensors")
        self.config = json.loads((dir / "config.json").read_text())
        self.tokenizer = tokenizer(dir / "vocab.txt")

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(self.config["layer_norm_eps"]))
        return x * self.w[name + ".weight"] + self.w[name + ".bias"]

    def embed(self, text):
        return self.forward(self.tokenizer.encode(text).ids)

    def forward(self, ids):
        w, n, heads = self.w, len(ids), self.config["num_attention_heads"]
        e = "embeddings."
        x = w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][:n] + w[e + "token_type_embeddings.weight"][0]
        x = self.norm(x, e + "LayerNorm")
        for i in range(self.config["num_hidden_layers"]):
            p = f"encoder.layer.{i}."
            q, k, v = (self.linear(x, p + "attention.self." + part).reshape(n, heads, -1).transpose(1, 0, 2) for part in ("query", "key", "value"))
            s = q @ k.transpose(0, 2, 1) / np.float32(math.sqrt(q.shape[-1]))
            s = np.exp(s - s.max(-1, keepdims=True))
            a = (s / s.sum(-1, keepdims=True)) @ v
            x = self.norm(x + self.linear(a.transpose(1, 0, 2).reshape(n, -1), p + "attention.output.dense"), p + "attention.output.LayerNorm")
            h = self.linear(x, p + "intermediate.dense")
            h = h * np.float32(0.5) * (1 + erf(h / np.float32(math.sqrt(2))))
            x = self.norm(x + self.linear(h, p + "output.dense"), p + "output.LayerNorm")
        return x[0] / np.linalg.norm(x[0])


def spread(items, n):
    return [items[i * len(items) // n] for i in range(n)]


def main():
    model_dir, demo, out = map(pathlib.Path, sys.argv[1:])
    model = Model(model_dir)
    for line in open(out / "golden.jsonl", encoding="utf-8"):
        g = json.loads(line)
        error = np.abs(model.forward(g["ids"]) - np.array(g["embedding"], np.float32)).max()
        assert error < 1e-5, (g["name"], error)

    passages = []
    for path in sorted((demo / "corpus").rglob("*")):
        if path.suffix in (".md", ".txt"):
            parts = path.read_text(encoding="utf-8").split("\n\n")
            passages += [s.strip() for s in parts if 150 <= len(s.strip()) <= 500]
    queries = [json.loads(line) for line in open(demo / "queries.jsonl", encoding="utf-8")]
    queries = [q["query"] for q in queries if q["answerable"]]
    passages, queries = spread(passages, 120), spread(queries, 12)

    vectors = np.stack([model.embed(p) for p in passages])
    with open(out / "ranks.jsonl", "w", encoding="utf-8", newline="\n") as f:
        for p in passages:
            f.write(json.dumps({"passage": p}, ensure_ascii=False) + "\n")
        for q in queries:
            scores = vectors @ model.embed(INSTRUCTION + q)
            f.write(json.dumps({"query": q, "scores": [round(float(s), 6) for s in scores]}, ensure_ascii=False) + "\n")


main()
