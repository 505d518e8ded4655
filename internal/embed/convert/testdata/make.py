"""Makes the two tiny models of this folder and what they must give.

    python3 internal/embed/convert/testdata/make.py

needs numpy (written with 2.4.6). The forward pass is written from the paper and
shares nothing with the Go code; texts become ids by looking whole words up, so
they are chosen to need nothing else. The models are random: they mean nothing.
"""

import json
import math
import pathlib
import struct

import numpy as np

HERE = pathlib.Path(__file__).parent
WORDS = ["the", "The", "pump", "valve", "opens", "closes", "when", "heat", "is", "cold", "query", ":", ".", "?"]
LETTERS = [chr(c) for c in range(ord("a"), ord("z") + 1)] + [chr(c) for c in range(ord("A"), ord("Z") + 1)] + [str(d) for d in range(10)]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS + LETTERS + ["##" + letter for letter in LETTERS]


def weights(seed, layers, hidden, inner, positions, prefix, head):
    random = np.random.default_rng(seed)
    w = {}

    def normal(name, *shape, mean=0.0, deviation=0.3):
        w[name] = random.normal(mean, deviation, shape)

    def linear(name, rows, cols):
        normal(name + ".weight", rows, cols, deviation=1.5 / math.sqrt(cols))
        normal(name + ".bias", rows)

    def norm(name):
        normal(name + ".weight", hidden, mean=1.0, deviation=0.2)
        normal(name + ".bias", hidden)

    normal(prefix + "embeddings.word_embeddings.weight", len(VOCABULARY), hidden, deviation=1)
    normal(prefix + "embeddings.position_embeddings.weight", positions, hidden)
    normal(prefix + "embeddings.token_type_embeddings.weight", 2, hidden)
    norm(prefix + "embeddings.LayerNorm")
    for i in range(layers):
        p = f"{prefix}encoder.layer.{i}."
        for name in ("query", "key", "value"):
            linear(p + "attention.self." + name, hidden, hidden)
        linear(p + "attention.output.dense", hidden, hidden)
        norm(p + "attention.output.LayerNorm")
        linear(p + "intermediate.dense", inner, hidden)
        linear(p + "output.dense", hidden, inner)
        norm(p + "output.LayerNorm")
    if head:
        linear(prefix + "pooler.dense", hidden, hidden)
        linear("classifier", 1, hidden)
    return w


def encode(values, dtype):
    """The bytes of an array, and the values they stand for."""
    if dtype == "F16":
        stored = values.astype("<f2")
        return stored.tobytes(), stored.astype(np.float64)
    if dtype == "BF16":
        bits = values.astype("<f4").view("<u4") >> 16
        return bits.astype("<u2").tobytes(), (bits << 16).astype("<u4").view("<f4").astype(np.float64)
    stored = values.astype("<f4")
    return stored.tobytes(), stored.astype(np.float64)


def safetensors(path, w, dtype, extra):
    header, payload, rounded = {"__metadata__": {"format": "pt"}}, b"", {}
    for name, values in w.items():
        data, rounded[name] = encode(values, dtype)
        header[name] = {"dtype": dtype, "shape": list(values.shape), "data_offsets": [len(payload), len(payload) + len(data)]}
        payload += data
    for name, data in extra.items():  # what a converter must leave alone
        header[name] = {"dtype": "I64", "shape": [1, len(data) // 8], "data_offsets": [len(payload), len(payload) + len(data)]}
        payload += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + payload)
    return rounded


def forward(w, prefix, layers, heads, ids, types, eps):
    """Last hidden states, one row for each id."""

    def linear(x, name):
        return x @ w[prefix + name + ".weight"].T + w[prefix + name + ".bias"]

    def norm(x, name):
        x = x - x.mean(axis=1, keepdims=True)
        x = x / np.sqrt((x * x).mean(axis=1, keepdims=True) + eps)
        return x * w[prefix + name + ".weight"] + w[prefix + name + ".bias"]

    e = prefix + "embeddings."
    x = (w[e + "word_embeddings.weight"][ids] + w[e + "position_embeddings.weight"][: len(ids)]
         + w[e + "token_type_embeddings.weight"][types])
    x = norm(x, "embeddings.LayerNorm")
    erf = np.vectorize(math.erf)
    for i in range(layers):
        p = f"encoder.layer.{i}."

        def split(name):
            return linear(x, p + "attention.self." + name).reshape(len(ids), heads, -1).transpose(1, 0, 2)

        q, k, v = split("query"), split("key"), split("value")
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[2])
        scores = np.exp(scores - scores.max(axis=2, keepdims=True))
        scores /= scores.sum(axis=2, keepdims=True)
        context = (scores @ v).transpose(1, 0, 2).reshape(len(ids), -1)
        x = norm(x + linear(context, p + "attention.output.dense"), p + "attention.output.LayerNorm")
        inner = linear(x, p + "intermediate.dense")
        inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2)))
        x = norm(x + linear(inner, p + "output.dense"), p + "output.LayerNorm")
    return x


def tokens(text):
    return [VOCABULARY.index(word) for word in text.split()]


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def embedding():
    """Cased, mean pooling, two layers, four heads of 16, F16."""
    layers, heads, hidden, inner, positions, limit, eps = 2, 4, 64, 64, 64, 48, 1e-12
    folder = HERE / "embedding"
    folder.mkdir(exist_ok=True)
    w = weights(1, layers, hidden, inner, positions, "", False)
    w["pooler.dense.weight"] = np.zeros((hidden, hidden))  # unused
    position_ids = np.arange(positions, dtype="<i8").tobytes()
    w = safetensors(folder / "model.safetensors", w, "F16", {"embeddings.position_ids": position_ids})
    write(folder, {
        "config.json": {"model_type": "bert", "architectures": ["BertModel"], "hidden_size": hidden, "num_hidden_layers": layers,
                        "num_attention_heads": heads, "intermediate_size": inner, "max_position_embeddings": positions,
                        "vocab_size": len(VOCABULARY), "type_vocab_size": 2, "layer_norm_eps": eps, "hidden_act": "gelu"},
        "vocab.txt": "\n".join(VOCABULARY) + "\n",
        "tokenizer_config.json": {"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 1e30},
        "modules.json": [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
                         for i, (path, kind) in enumerate([("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])],
        "1_Pooling/config.json": {"word_embedding_dimension": hidden, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True},
        "sentence_bert_config.json": {"max_seq_length": limit, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": None,
                                              "similarity_fn_name": "cosine"},
        "README.md": "---\nlanguage: en\nlicense: cc0-1.0\n---\nA random model, made by make.py.\n",
    })
    rows = []
    for task, text in [
        ("passage", "The pump opens when the valve closes ."), ("passage", "the heat is cold"), ("passage", ""),
        ("query", "when is the pump cold ?"), ("passage", " ".join(["valve opens"] * 40)),
    ]:
        inside = tokens(("query : " if task == "query" else "") + text)
        ids = [2] + inside[: limit - 2] + [3]
        v = forward(w, "", layers, heads, ids, [0] * len(ids), eps).mean(axis=0)
        v /= math.sqrt((v * v).sum())
        rows.append({"task": task, "text": text, "vector": [round(float(x), 7) for x in v]})
    return rows


def cross_encoder():
    """Uncased, one layer, two heads of 16, BF16, names behind "bert.", tokenizer.json only."""
    layers, heads, hidden, inner, positions, eps = 1, 2, 32, 64, 32, 1e-5
    folder = HERE / "crossencoder"
    folder.mkdir(exist_ok=True)
    w = safetensors(folder / "model.safetensors", weights(2, layers, hidden, inner, positions, "bert.", True), "BF16", {})
    write(folder, {
        "config.json": {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"},
                        "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": inner,
                        "max_position_embeddings": positions, "vocab_size": len(VOCABULARY), "type_vocab_size": 2,
                        "layer_norm_eps": eps, "hidden_act": "gelu", "position_embedding_type": "absolute"},
        "tokenizer.json": {
            "added_tokens": [{"id": i, "content": VOCABULARY[i], "special": True} for i in range(5)],
            "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
                      "vocab": {piece: i for i, piece in enumerate(VOCABULARY)}}},
    })
    rows = []
    for query, passage in [
        ("when is the pump cold ?", "the valve opens ."), ("when is the pump cold ?", ""), ("heat", "the pump is cold when the heat closes the valve ."),
        ("is the heat cold ?", " ".join(["valve opens"] * 20)),  # longer than the window
    ]:
        a, b = tokens(query), tokens(passage)
        b = b[: positions - 3 - len(a)]
        ids = [2] + a + [3] + b + [3]
        types = [0] * (len(a) + 2) + [1] * (len(b) + 1)
        x = forward(w, "bert.", layers, heads, ids, types, eps)[0]
        x = np.tanh(w["bert.pooler.dense.weight"] @ x + w["bert.pooler.dense.bias"])
        score = float((w["classifier.weight"] @ x + w["classifier.bias"])[0])
        rows.append({"query": query, "passage": passage, "score": round(score, 6)})
    return rows


(HERE / "expected.json").write_text(json.dumps({"embedding": embedding(), "cross_encoder": cross_encoder()}, indent=1) + "\n")
