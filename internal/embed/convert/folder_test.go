package convert

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ragloop/ragloop/internal/embed/modelfile"
)

// folder describes a random model.
type folder struct {
	layers, hidden, heads, inner int
	dtype, pooling, prefix       string
	cased                        bool
	shards                       int // 0: one file without an index
	padding                      int // rows of word embeddings beyond the pieces
}

const (
	folderVocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\npump\nvalve\nopens\n##s\n"
	folderPieces     = 10
	folderPositions  = 24
)

// write makes the folder and returns its path.
func (f *folder) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("config.json", fmt.Sprintf(`{"model_type":"bert","hidden_size":%d,"num_hidden_layers":%d,"num_attention_heads":%d,
		"intermediate_size":%d,"max_position_embeddings":%d,"vocab_size":%d,"layer_norm_eps":1e-12,"hidden_act":"gelu"}`,
		f.hidden, f.layers, f.heads, f.inner, folderPositions, folderPieces+f.padding))
	put("vocab.txt", folderVocabulary)
	put("tokenizer_config.json", fmt.Sprintf(`{"do_lower_case":%v}`, !f.cased))
	put("modules.json", `[{"path":"","type":"x.Transformer"},{"path":"1_Pooling","type":"x.Pooling"}]`)
	put("1_Pooling/config.json", fmt.Sprintf(`{"pooling_mode_%s_token%s":true}`, f.pooling, map[string]string{"mean": "s"}[f.pooling]))
	f.writeWeights(t, put)
	return dir
}

func (f *folder) writeWeights(t testing.TB, put func(name, content string)) {
	t.Helper()
	needed := shapes(modelfile.Architecture{Layers: f.layers, Hidden: f.hidden, Intermediate: f.inner})
	needed[wordEmbeddings][0], needed[positionEmbeddings][0], needed[typeEmbeddings][0] = folderPieces+f.padding, folderPositions, 2
	r := rand.New(rand.NewPCG(uint64(f.hidden), 4))
	type shard struct {
		entries map[string]any
		payload []byte
	}
	all := make([]shard, max(1, f.shards))
	for i := range all {
		all[i].entries = map[string]any{"__metadata__": map[string]string{"format": "pt"}}
	}
	index := map[string]string{}
	for i, name := range slices.Sorted(maps.Keys(needed)) {
		s := &all[i%len(all)]
		n := 1
		for _, d := range needed[name] {
			n *= d
		}
		start := len(s.payload)
		for range n {
			v := r.NormFloat64() * 0.3
			if strings.HasSuffix(name, "LayerNorm.weight") {
				v++
			}
			s.payload = f.append(s.payload, float32(v))
		}
		s.entries[f.prefix+name] = map[string]any{"dtype": f.dtype, "shape": needed[name], "data_offsets": []int{start, len(s.payload)}}
		index[f.prefix+name] = fmt.Sprintf("model-%d.safetensors", i%len(all))
	}
	for i, s := range all {
		header, err := json.Marshal(s.entries)
		if err != nil {
			t.Fatal(err)
		}
		name := weightsFile
		if f.shards > 0 {
			name = fmt.Sprintf("model-%d.safetensors", i)
		}
		put(name, prelude(string(header))+string(s.payload))
	}
	if f.shards > 0 {
		raw, err := json.Marshal(map[string]any{"weight_map": index})
		if err != nil {
			t.Fatal(err)
		}
		put(shardsFile, string(raw))
	}
}

// append appends v, cut to the precision of the type.
func (f *folder) append(b []byte, v float32) []byte {
	bits := math.Float32bits(v)
	switch f.dtype {
	case "BF16":
		return binary.LittleEndian.AppendUint16(b, uint16(bits>>16))
	case "F16":
		h, exact := modelfile.FloatToHalf(math.Float32frombits(bits &^ 0x1fff)) // 10 bits of mantissa
		if !exact {
			h = 0
		}
		return binary.LittleEndian.AppendUint16(b, h)
	}
	return binary.LittleEndian.AppendUint32(b, bits)
}

// prelude returns a safetensors header with its length in front.
func prelude(header string) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header
}

// TestReadErrors breaks one file of a good folder at a time.
func TestReadErrors(t *testing.T) {
	replace := func(old, new string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("cannot replace %q in %q", old, s)
			}
			return strings.Replace(s, old, new, 1)
		}
	}
	content := func(s string) func(string) string { return func(string) string { return s } }
	add := func(field string) func(string) string { return replace("{", "{"+field+",") }
	postProcessor := func(p string) func(string) string { return add(`"post_processor":` + p) }
	embedding, pairs := "testdata/embedding", "testdata/crossencoder"
	for _, c := range []struct {
		dir, file string
		change    func(string) string
		text      string
	}{
		{embedding, "config.json", content("{"), "read config.json: unexpected end"},
		{embedding, "config.json", replace(`"bert"`, `"t5"`), `model_type is "t5", only "bert" is supported`},
		{embedding, "config.json", replace(`"gelu"`, `"relu"`), `hidden_act is "relu", only "gelu" is supported`},
		{embedding, "config.json", add(`"position_embedding_type":"relative_key"`), `position_embedding_type is "relative_key"`},
		{embedding, "config.json", add(`"is_decoder":true`), "is_decoder is true"},
		{embedding, "config.json", replace(`"BertModel"`, `"BertForTokenClassification"`), `architectures has "BertForTokenClassification", supported are ["BertModel"`},
		{embedding, "config.json", replace(`"num_hidden_layers": 2`, `"num_hidden_layers": 3`), `no tensor "encoder.layer.2.attention.output.LayerNorm.bias"`},
		{embedding, "config.json", replace(`"num_attention_heads": 4`, `"num_attention_heads": 8`), "8 heads share a hidden size of 64, want heads whose width is a multiple of 16"},
		{embedding, "config.json", replace(`"num_attention_heads": 4`, `"num_attention_heads": 0`), "heads is 0"},
		{embedding, "config.json", replace(`"hidden_size": 64`, `"hidden_size": 48`), "hidden is 48, want a multiple of 32"},
		{embedding, "config.json", replace(`"hidden_size": 64`, `"hidden_size": 128`), "has shape [64], config.json asks for [128]"},
		{embedding, "config.json", replace(`"vocab_size": 143`, `"vocab_size": 0`), "vocab_size is 0, allowed are 1 to"},
		{embedding, "config.json", replace(`"vocab_size": 143`, `"vocab_size": 142`), "the vocabulary has 143 pieces, config.json says vocab_size 142"},
		{embedding, "config.json", replace(`"layer_norm_eps": 1e-12`, `"layer_norm_eps": 0`), "layer_norm_eps is 0"},
		{embedding, "config.json", nil, "config.json: no such file"},
		{embedding, "vocab.txt", nil, "there is neither vocab.txt nor tokenizer.json"},
		{embedding, "vocab.txt", replace("[CLS]", "[cls]"), "lacks [CLS]"},
		{embedding, "vocab.txt", replace("##9\n", ""), "the vocabulary has 142 pieces, config.json says vocab_size 143; more than the pieces is supported as padding"},
		{embedding, "tokenizer_config.json", replace("BertTokenizer", "MPNetTokenizer"), `tokenizer_class is "MPNetTokenizer"`},
		{embedding, "tokenizer_config.json", add(`"cls_token":"<s>"`), `cls_token is "<s>", only "[CLS]" is supported`},
		{embedding, "tokenizer_config.json", add(`"sep_token":{"content":"</s>"}`), `sep_token is "</s>", only "[SEP]" is supported`},
		{embedding, "tokenizer_config.json", replace("1e+30", "1"), "model_max_length is 1"},
		{embedding, "tokenizer_config.json", add(`"do_basic_tokenize":false`), "do_basic_tokenize is false, only true is supported"},
		{embedding, "tokenizer_config.json", add(`"never_split":["pump"]`), `never_split has "pump"`},
		{embedding, "tokenizer_config.json", add(`"truncation_side":"left"`), `truncation_side is "left", only "right" is supported`},
		{embedding, "tokenizer_config.json", add(`"additional_special_tokens":["[MASK]",{"content":"<x>"}]`), `additional_special_tokens has "<x>"`},
		{embedding, "tokenizer_config.json", add(`"added_tokens_decoder":{"3":{"content":"[SEP]"},"143":{"content":"<x>"}}`), `added_tokens_decoder has "<x>"`},
		{embedding, "added_tokens.json", content(`{"[PAD]":0,"<x>":143}`), `read added_tokens.json: it has "<x>"`},
		{embedding, "modules.json", replace("models.Normalize", "models.Dense"), `module 2 is "Dense", supported is the sequence ["Transformer" "Pooling" "Normalize"]`},
		{embedding, "modules.json", content("[]"), "0 modules, supported is"},
		{embedding, "modules.json", replace("1_Pooling", "../elsewhere"), `path "../elsewhere" is outside the folder`},
		{embedding, "modules.json", replace(`"path": ""`, `"path": "0_BERT"`), `the transformer is in "0_BERT"`},
		{embedding, "modules.json", nil, `there is no modules.json: the pooling must be given, "cls" or "mean"`},
		{embedding, "1_Pooling/config.json", replace("mean_tokens", "max_tokens"), `pooling modes ["max_tokens"], supported is one of "cls_token" and "mean_tokens"`},
		{embedding, "1_Pooling/config.json", replace(`"pooling_mode_cls_token": false`, `"pooling_mode_cls_token": true`), `pooling modes ["cls_token" "mean_tokens"]`},
		{embedding, "1_Pooling/config.json", add(`"include_prompt":false`), "include_prompt is false"},
		{embedding, "1_Pooling/config.json", nil, "config.json: no such file"},
		{embedding, "sentence_bert_config.json", replace("48", "65"), "max_seq_length is 65, allowed are 2 to max_position_embeddings, which is 64"},
		{embedding, "sentence_bert_config.json", replace("false", "true"), "do_lower_case is true, but the tokenizer keeps case"},
		{embedding, "config_sentence_transformers.json", replace(`"cosine"`, `"manhattan"`), `similarity_fn_name is "manhattan", supported are "cosine" and, for normalised vectors, "dot"`},
		{embedding, "config_sentence_transformers.json", replace("null", `"query"`), `default_prompt_name is "query"`},
		{embedding, "config_sentence_transformers.json", replace(`"document": ""`, `"document": "a", "passage": "b"`), `the prompts passage "b" and document "a" differ`},
		{embedding, "config_sentence_transformers.json", replace(`"query": "query: "`, `"search": "search: "`), `there is a prompt "search" and none named "query": give the query prefix`},
		{embedding, "model.safetensors", nil, "there is neither model.safetensors nor model.safetensors.index.json"},
		{embedding, "model.safetensors", content(""), "read model.safetensors: the file is shorter than"},
		{embedding, "model.safetensors", content("\xff\xff\xff\xff\xff\xff\xff\xff"), "header of"},
		{embedding, "model.safetensors", content(prelude("[")), "header"},
		{embedding, "model.safetensors", content(prelude(`{"x":3}`)), `tensor "x"`},
		{embedding, "model.safetensors", content(prelude(`{"x":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}`)), "payload of 0"},
		{embedding, "model.safetensors", content(prelude(`{"x":{"dtype":"F16","shape":[0],"data_offsets":[0,0]},"y":{},"x":{}}`)), `"x" is listed twice`},
		{embedding, "model.safetensors", content(prelude(`{"x":{"dtype":"F16","shape":[1],"data_offsets":[2,4]}}`) + "four"), `bytes 0 to 2 of the payload, before tensor "x", belong to no tensor`},
		{embedding, "model.safetensors", content(prelude(`{"y":{"data_offsets":[0,3]},"x":{"data_offsets":[2,4]}}`) + "four"), `tensors "y" and "x" share bytes`},
		{embedding, "model.safetensors", content(prelude(`{"y":{"data_offsets":[0,4]},"x":{"data_offsets":[0,4]}}`) + "four"), `tensors "x" and "y" share bytes`},
		{embedding, "model.safetensors", content(prelude(`{"x":{"data_offsets":[0,3]},"y":{"data_offsets":[3,3]}}`) + "four"), "1 bytes after the last tensor belong to none"},
		{embedding, "model.safetensors", func(s string) string { return s + "\x00" }, "1 bytes after the last tensor belong to none"},
		{embedding, "model.safetensors.index.json", content(`{"weight_map":{"x":"model.safetensors"}}`), "there are both model.safetensors and model.safetensors.index.json"},
		{embedding, "model.safetensors", content(prelude(`{}`)), `no tensor "embeddings.word_embeddings.weight", also not behind one of ["bert." "0.auto_model."]`},
		{embedding, "model.safetensors", replace(`"embeddings.LayerNorm.bias": {"dtype": "F16"`, `"embeddings.LayerNorm.bias": {"dtype": "F64"`), `dtype is "F64", supported are F32, F16 and BF16`},
		{embedding, "model.safetensors", replace(`"embeddings.LayerNorm.bias": {"dtype": "F16"`, `"embeddings.LayerNorm.bias": {"dtype": "F32"`), "shape [64] of F32 and 128 bytes"},

		{pairs, "config.json", replace(`"LABEL_0"`, `"LABEL_0", "1": "LABEL_1"`), "the classifier has 2 labels, only one (a cross-encoder) is supported"},
		{pairs, "config.json", replace(`"type_vocab_size": 2`, `"type_vocab_size": 1`), "type_vocab_size is 1, a cross-encoder needs 2 and more"},
		{pairs, "config.json", replace(`"0": "LABEL_0"`, ""), "the classifier has 2 labels, only one (a cross-encoder) is supported"},
		{pairs, "tokenizer.json", replace(`"WordPiece"`, `"BPE"`), `model.type is "BPE", only "WordPiece" is supported`},
		{pairs, "tokenizer.json", replace("BertNormalizer", "NFC"), `normalizer.type is "NFC"`},
		{pairs, "tokenizer.json", replace(`"clean_text": true`, `"clean_text": false`), "normalizer.clean_text is false"},
		{pairs, "tokenizer.json", replace(`"content": "[MASK]"`, `"content": "<x>"`), `added_tokens has "<x>"`},
		{pairs, "tokenizer.json", replace(`"pump": 7`, `"pump": 8`), "given twice"},
		{pairs, "tokenizer.json", replace(`"pump"`, `"pu\nmp"`), "has a line break"},
		{pairs, "tokenizer.json", add(`"truncation":{"direction":"Left"}`), `truncation.direction is "Left", only "Right" is supported`},
		{pairs, "tokenizer.json", postProcessor(`{"type":"RobertaProcessing"}`), `post_processor.type is "RobertaProcessing"`},
		{pairs, "tokenizer.json", postProcessor(`{"type":"TemplateProcessing","single":[{"Sequence":{"id":"A","type_id":0}}]}`), `post_processor.single is "$A:0", only "[CLS]:0 $A:0 [SEP]:0" is supported`},
		{pairs, "tokenizer.json", postProcessor(strings.Replace(bertTemplate, `"B","type_id":1`, `"B","type_id":0`, 1)), `post_processor.pair is "[CLS]:0 $A:0 [SEP]:0 $B:0 [SEP]:1"`},
		{pairs, "vocab.txt", content("[PAD]\n"), "vocab.txt and tokenizer.json have different vocabularies"},
		{pairs, "tokenizer_config.json", content(`{"do_lower_case":false}`), "tokenizer_config.json and tokenizer.json disagree on do_lower_case and lowercase: false and true"},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(c.dir)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, c.file)
		if c.change == nil {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		} else {
			old, err := os.ReadFile(path)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(c.change(string(old))), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Read(dir, Options{}); err == nil || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s/%s: %v, want an error with %q", c.dir, c.file, err, c.text)
		}
	}
}

func TestOptionErrors(t *testing.T) {
	none := ""
	for _, c := range []struct {
		dir  string
		o    Options
		text string
	}{
		{"testdata/embedding", Options{Pooling: "max"}, `the pooling is "max", supported are "cls" and "mean"`},
		{"testdata/embedding", Options{MaxTokens: 65}, "the window is 65 tokens, allowed are 2 to max_position_embeddings, which is 64"},
		{"testdata/crossencoder", Options{Pooling: "cls"}, "pooling and prefixes do not apply"},
		{"testdata/crossencoder", Options{QueryPrefix: &none}, "pooling and prefixes do not apply"},
		{"testdata/none", Options{}, "testdata/none"},
	} {
		if _, err := Read(c.dir, c.o); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("Read(%s, %+v) = %v, want an error with %q", c.dir, c.o, err, c.text)
		}
	}
}

// TestPaddedVocabulary: some models have more word embeddings than pieces.
func TestPaddedVocabulary(t *testing.T) {
	f := folder{layers: 1, hidden: 32, heads: 2, inner: 32, dtype: "F32", pooling: "cls", padding: 64 - folderPieces}
	_, data := built(t, f.write(t), Options{})
	file, err := modelfile.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if got := file.Rows(wordEmbeddings); got != folderPieces {
		t.Errorf("%d word embeddings, want %d", got, folderPieces)
	}
}

// bertTemplate is the post_processor of a BERT model's tokenizer.json.
const bertTemplate = `{"type":"TemplateProcessing",
	"single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],
	"pair":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}},
		{"Sequence":{"id":"B","type_id":1}},{"SpecialToken":{"id":"[SEP]","type_id":1}}]}`

// TestHarmlessSettings: what real folders say besides changes nothing.
func TestHarmlessSettings(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/crossencoder")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "tokenizer.json")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	described := strings.Replace(string(raw), "{", `{"truncation":{"direction":"Right"},"post_processor":`+bertTemplate+",", 1)
	settings := `{"do_basic_tokenize":true,"never_split":null,"truncation_side":"right","additional_special_tokens":[],
		"added_tokens_decoder":{"0":{"content":"[PAD]","special":true}},"model_max_length":1000000000000000019884624838656}`
	for name, content := range map[string]string{path: described, filepath.Join(dir, "tokenizer_config.json"): settings} {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Read(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Header.Architecture.MaxTokens; got != 32 {
		t.Errorf("a window of %d tokens, want 32", got)
	}
}

// TestSmallestWindow: of the limits in a folder the smallest counts.
func TestSmallestWindow(t *testing.T) {
	for _, c := range []struct {
		limit string
		want  int
	}{{"20", 20}, {"60", 48}} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS("testdata/embedding")); err != nil {
			t.Fatal(err)
		}
		content := fmt.Sprintf(`{"do_lower_case":false,"model_max_length":%s}`, c.limit)
		if err := os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := Read(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Header.Architecture.MaxTokens; got != c.want {
			t.Errorf("model_max_length %s: a window of %d tokens, want %d", c.limit, got, c.want)
		}
	}
}
