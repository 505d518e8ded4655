package modelfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var header = Header{
	Name: "tiny", License: "MIT", Source: "made up", SourceSHA256: "00",
	Architecture: Architecture{Type: "bert", Layers: 1, Hidden: 4, QueryPrefix: "find <this>: "},
}

var matrix = Matrix{
	Rows: 2, Cols: 3, Values: []byte{1, 0, 0xff, 0x80, 0, 127}, Scales: []float32{0.5, 2},
	ExactColumns: []int{1}, Exact: []float32{0.1, -3},
}

// tiny returns a file with one tensor of each type.
func tiny(t testing.TB) []byte {
	t.Helper()
	var b Builder
	b.AddMatrix("m", matrix)
	b.AddFloats("f", []float32{1, -0.1, math.SmallestNonzeroFloat32}, 3)
	b.AddCompact("h", []float32{1, -0x1p-24, 65504, 0, 2.5, float32(math.Copysign(0, -1))}, 2, 3)
	b.AddCompact("not half", []float32{0.1}, 1)
	b.AddBlob("blob", []byte("text\n"))
	data, err := b.Bytes(header)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRoundTrip(t *testing.T) {
	data := tiny(t)
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	got := f.Header
	var types []DType
	for _, tensor := range got.Tensors {
		types = append(types, tensor.DType)
		if tensor.Offset%64 != 0 {
			t.Errorf("tensor %q is at offset %d", tensor.Name, tensor.Offset)
		}
	}
	got.Tensors = nil
	if diff := cmp.Diff(header, got); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	// Sorted by name: blob f h m m.exact m.exact_columns m.scale "not half".
	if diff := cmp.Diff([]DType{Bytes, Float32, Float16, Int8, Float32, Int32, Float32, Float32}, types); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	m, err := f.Matrix("m", 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(matrix, m); diff != "" {
		t.Errorf("matrix (-want +got):\n%s", diff)
	}
	h, err := f.Floats("h", 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float32{1, -0x1p-24, 65504, 0, 2.5, float32(math.Copysign(0, -1))}, h); diff != "" {
		t.Errorf("h (-want +got):\n%s", diff)
	}
	if blob, err := f.Blob("blob"); err != nil || string(blob) != "text\n" {
		t.Errorf("Blob = %q, %v", blob, err)
	}
	if f.Rows("m") != 2 || f.Rows("none") != 0 {
		t.Errorf("Rows = %d and %d, want 2 and 0", f.Rows("m"), f.Rows("none"))
	}
}

// TestOptionalFields: what is optional is left out where it is zero, so that
// files of models without it keep their bytes, and is read back where it is set.
func TestOptionalFields(t *testing.T) {
	if data := tiny(t); bytes.Contains(data, []byte(`"head"`)) || bytes.Contains(data, []byte(`"wordpiece"`)) {
		t.Error("zero optional fields are in the file")
	}
	want := Header{Name: "x", Architecture: Architecture{Head: CrossEncoder, Tokenizer: WordPieceCustom, WordPiece: &WordPiece{Lowercase: true}}}
	data, err := new(Builder).Bytes(want)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, f.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
}

func TestBytesOrder(t *testing.T) {
	var b Builder
	b.AddBlob("blob", []byte("text\n"))
	b.AddCompact("not half", []float32{0.1}, 1)
	b.AddCompact("h", []float32{1, -0x1p-24, 65504, 0, 2.5, float32(math.Copysign(0, -1))}, 2, 3)
	b.AddFloats("f", []float32{1, -0.1, math.SmallestNonzeroFloat32}, 3)
	b.AddMatrix("m", matrix)
	data, err := b.Bytes(header)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data, tiny(t)) {
		t.Error("the order of adding tensors changed the file")
	}
}

func TestBytesErrors(t *testing.T) {
	for name, add := range map[string]func(*Builder){
		"infinite":    func(b *Builder) { b.AddFloats("x", []float32{float32(math.Inf(1))}, 1) },
		"twice":       func(b *Builder) { b.AddBlob("x", []byte{1}); b.AddBlob("x", []byte{2}) },
		"empty":       func(b *Builder) { b.AddBlob("x", nil) },
		"wrong shape": func(b *Builder) { b.AddFloats("x", []float32{1}, 1<<20) },
		"3 dims":      func(b *Builder) { b.AddFloats("x", []float32{1}, 1, 1, 1) },
	} {
		var b Builder
		add(&b)
		if _, err := b.Bytes(header); err == nil {
			t.Errorf("%s: Bytes did not fail", name)
		}
	}
}

// seal makes the checksum of data right again.
func seal(data []byte) []byte {
	sum := sha256.Sum256(data[preludeSize:])
	copy(data[16:], sum[:])
	return data
}

func TestParseErrors(t *testing.T) {
	replace := func(old, new string) func([]byte) []byte {
		return func(d []byte) []byte {
			if len(old) != len(new) || !bytes.Contains(d, []byte(old)) {
				t.Fatalf("cannot replace %q", old)
			}
			return seal(bytes.Replace(d, []byte(old), []byte(new), 1))
		}
	}
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		is     error
		text   string
	}{
		{"empty", func(d []byte) []byte { return nil }, ErrCorrupt, "0 bytes"},
		{"another format", func(d []byte) []byte { copy(d, "GGUF"); return d }, ErrUnsupported, `"GGUFOOPM"`},
		{"another version", func(d []byte) []byte { d[8] = 2; return d }, ErrUnsupported, "version 2, this program reads version 1"},
		{"header too long", func(d []byte) []byte { binary.LittleEndian.PutUint32(d[12:], 1<<20); return d }, ErrCorrupt, "header length"},
		{"header length odd", func(d []byte) []byte { d[12]++; return d }, ErrCorrupt, "header length"},
		{"cut", func(d []byte) []byte { return d[:len(d)-1] }, ErrCorrupt, "SHA-256"},
		{"flipped bit", func(d []byte) []byte { d[len(d)-1] ^= 1; return d }, ErrCorrupt, "SHA-256"},
		{"not JSON", replace(`{"name"`, `["name"`), ErrUnsupported, "header"},
		{"unknown field", replace(`"license"`, `"licence"`), ErrUnsupported, "licence"},
		{"unknown type", replace(`"i32"`, `"i31"`), ErrUnsupported, `"m.exact_columns" has dtype "i31"`},
		{"misaligned", replace(`"offset":64`, `"offset":65`), ErrCorrupt, "offset 65"},
		{"shared bytes", replace(`"offset":64`, `"offset":0 `), ErrCorrupt, "share bytes"},
		{"empty shape", replace(`"shape":[2,3]`, `"shape":[0,3]`), ErrCorrupt, "shape [0 3]"},
		{"too large", replace(`"shape":[2,3]`, `"shape":[999]`), ErrCorrupt, "1998 bytes"},
		{"not finite", func(d []byte) []byte {
			one := []byte{0, 0, 0x80, 0x3f} // 1.0, the first of f
			return seal(bytes.Replace(d, one, []byte{0, 0, 0xc0, 0x7f}, 1))
		}, ErrCorrupt, `"f" has the non-finite value NaN at index 0`},
	} {
		_, err := Parse(c.change(tiny(t)))
		if !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: Parse = %v, want %v with %q", c.name, err, c.is, c.text)
		}
	}
}

// TestParseTrusted checks what is not verified, and that everything that could
// lead outside the file is.
func TestParseTrusted(t *testing.T) {
	data := tiny(t)
	want, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseTrusted(data); err != nil || got.Checksum != want.Checksum || len(got.Header.Tensors) != len(want.Header.Tensors) {
		t.Errorf("ParseTrusted of a sound file = %+v, %v", got, err)
	}
	flipped := bytes.Clone(data)
	flipped[len(flipped)-1] ^= 1
	if got, err := ParseTrusted(flipped); err != nil || got.Checksum != want.Checksum {
		t.Errorf("ParseTrusted of a file with a flipped bit = %v, want the stored checksum, not verified", err)
	}
	if _, err := ParseTrusted(data[:len(data)-alignment]); !errors.Is(err, ErrCorrupt) {
		t.Errorf("ParseTrusted of a cut file = %v, want %v", err, ErrCorrupt)
	}
}

func TestTensorErrors(t *testing.T) {
	f, err := Parse(tiny(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, get := range map[string]func() error{
		"no such":     func() error { _, err := f.Floats("none", 3); return err },
		"wrong shape": func() error { _, err := f.Floats("f", 4); return err },
		"wrong type":  func() error { _, err := f.Floats("blob", 5); return err },
		"not a blob":  func() error { _, err := f.Blob("f"); return err },
		"matrix":      func() error { _, err := f.Matrix("m", 3, 2); return err },
		"no scales":   func() error { _, err := f.Matrix("h", 2, 3); return err },
	} {
		if err := get(); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v, want %v", name, err, ErrUnsupported)
		}
	}
}

func TestNegativeScale(t *testing.T) {
	var b Builder
	negative := matrix
	negative.Scales = []float32{0, -2}
	b.AddMatrix("m", negative)
	data, err := b.Bytes(header)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Matrix("m", 2, 3); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "row 1 is -2") {
		t.Errorf("Matrix with a negative scale = %v, want %v", err, ErrCorrupt)
	}
}

// TestHalf checks all 65,536 halves against their definition.
func TestHalf(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		exponent, mantissa := int(h>>10&0x1f), float64(h&0x3ff)
		var want float64
		switch {
		case exponent == 0:
			want = math.Ldexp(mantissa, -24)
		case exponent == 31 && mantissa == 0:
			want = math.Inf(1)
		case exponent == 31:
			want = math.NaN()
		default:
			want = math.Ldexp(1024+mantissa, exponent-25)
		}
		got := float64(HalfToFloat(h))
		if h>>15 == 1 {
			want = -want
		}
		if math.IsNaN(want) != math.IsNaN(got) || !math.IsNaN(want) && (got != want || math.Signbit(got) != math.Signbit(want)) {
			t.Fatalf("HalfToFloat(%04x) = %v, want %v", h, got, want)
		}
		back, exact := FloatToHalf(float32(got))
		if finite := exponent != 31; exact != finite || finite && back != h {
			t.Fatalf("FloatToHalf(%v) = %04x, %v, want %04x, %v", got, back, exact, h, finite)
		}
	}
	for _, v := range []float32{0.1, 65504.1, 1e30, -1e-8, 0x1p-25, 1 + 0x1p-11} {
		if h, exact := FloatToHalf(v); exact {
			t.Errorf("FloatToHalf(%v) = %04x, exact, want inexact", v, h)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(tiny(f))
	f.Add([]byte(Magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) >= preludeSize {
			seal(data) // else nothing behind the checksum would be reached
		}
		file, err := Parse(data)
		if err != nil {
			return
		}
		for _, tensor := range file.Header.Tensors {
			switch tensor.DType {
			case Float32, Float16:
				if _, err := file.Floats(tensor.Name, tensor.Shape...); err != nil {
					t.Errorf("Floats(%q) = %v after Parse", tensor.Name, err)
				}
			case Bytes:
				if _, err := file.Blob(tensor.Name); err != nil {
					t.Errorf("Blob(%q) = %v after Parse", tensor.Name, err)
				}
			case Int8:
				if len(tensor.Shape) == 2 {
					file.Matrix(tensor.Name, tensor.Shape[0], tensor.Shape[1]) // must not panic
				}
			}
		}
	})
}
