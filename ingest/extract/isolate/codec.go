package isolate

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/ragloop/ragloop/ingest/extract"
)

// A process greets first. Then the pool sends limits and an extract.Input, and
// the process answers with a response, again and again. All are written field
// by field, in the order of their types, by the same program that reads them: a
// new field of a Document needs nothing here.
type greeting struct{ Version string }

type response struct {
	Document extract.Document
	Reason   extract.Reason // "" where there is a document
	Message  string
}

// A frame is the magic number, the length of its body in 4 bytes, and the body.
const (
	frameMagic  = 0x52474c31 // unlike text that strays into the pipe
	frameHeader = 8

	// maxFrameBytes bounds what the pool takes from a parser: the longest text,
	// and blocks of up to 18 bytes.
	maxFrameBytes = extract.MaxTextBytes + 18*extract.MaxBlocks + 8<<20
	// maxInputBytes bounds the largest file, and its name.
	maxInputBytes   = extract.MaxBytes + 1<<20
	smallFrameBytes = 1 << 10
	// maxElements bounds a list or map.
	maxElements = extract.MaxBlocks
)

var errFrame = errors.New("not a frame of the parser protocol")

// writeFrame writes v and flushes w.
func writeFrame[T any](w *bufio.Writer, v *T, limit int) error {
	count := encoder{}
	if err := count.value(reflect.ValueOf(v).Elem()); err != nil {
		return err
	}
	if count.n > limit {
		return fmt.Errorf("%w: %d bytes, the limit is %d", errFrame, count.n, limit)
	}
	var header [frameHeader]byte
	binary.LittleEndian.PutUint32(header[:], frameMagic)
	binary.LittleEndian.PutUint32(header[4:], uint32(count.n))
	if _, err := w.Write(header[:]); err != nil {
		return err
	}
	e := encoder{w: w}
	if err := e.value(reflect.ValueOf(v).Elem()); err != nil {
		return err
	}
	return w.Flush()
}

// readFrame reads what writeFrame wrote. Nothing that it reads makes it take
// much more memory than limit. It returns io.EOF where r ends before a frame.
func readFrame[T any](r *bufio.Reader, v *T, limit int) error {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(header[4:]))
	if binary.LittleEndian.Uint32(header[:]) != frameMagic || n > int64(limit) {
		return fmt.Errorf("%w: header %x", errFrame, header)
	}
	d := decoder{r: r, left: int(n)}
	if err := d.value(reflect.ValueOf(v).Elem()); err != nil {
		return err
	}
	if d.left != 0 {
		return fmt.Errorf("%w: %d bytes too many", errFrame, d.left)
	}
	return nil
}

var timeType = reflect.TypeFor[time.Time]()

// encoder writes values: integers as varints, strings and lists after their
// lengths (a list's plus one, 0 for nil), structs field by field, map entries
// by ascending key. Without w it only counts.
type encoder struct {
	w *bufio.Writer
	n int
}

func (e *encoder) bytes(b []byte) error {
	e.n += len(b)
	if e.w == nil {
		return nil
	}
	_, err := e.w.Write(b)
	return err
}

func (e *encoder) string(s string) error {
	if err := e.uint(uint64(len(s))); err != nil {
		return err
	}
	e.n += len(s)
	if e.w == nil {
		return nil
	}
	_, err := e.w.WriteString(s)
	return err
}

func (e *encoder) uint(u uint64) error {
	var b [binary.MaxVarintLen64]byte
	return e.bytes(b[:binary.PutUvarint(b[:], u)])
}

func (e *encoder) value(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool:
		u := uint64(0)
		if v.Bool() {
			u = 1
		}
		return e.uint(u)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var b [binary.MaxVarintLen64]byte
		return e.bytes(b[:binary.PutVarint(b[:], v.Int())])
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return e.uint(v.Uint())
	case reflect.Float32, reflect.Float64:
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], math.Float64bits(v.Float()))
		return e.bytes(b[:])
	case reflect.String:
		return e.string(v.String())
	case reflect.Slice:
		return e.slice(v)
	case reflect.Map:
		return e.mapping(v)
	case reflect.Pointer:
		if v.IsNil() {
			return e.uint(0)
		}
		if err := e.uint(1); err != nil {
			return err
		}
		return e.value(v.Elem())
	case reflect.Struct:
		if v.Type() == timeType {
			b, err := v.Interface().(time.Time).MarshalBinary()
			if err != nil {
				return err
			}
			return e.string(string(b))
		}
		for i := range v.NumField() {
			if err := e.value(v.Field(i)); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("cannot send a value of type %v", v.Type())
}

func (e *encoder) slice(v reflect.Value) error {
	if v.IsNil() {
		return e.uint(0)
	}
	if err := e.uint(uint64(v.Len()) + 1); err != nil {
		return err
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return e.bytes(v.Bytes())
	}
	for i := range v.Len() {
		if err := e.value(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) mapping(v reflect.Value) error {
	if v.IsNil() {
		return e.uint(0)
	}
	if v.Type().Key().Kind() != reflect.String {
		return fmt.Errorf("cannot send a value of type %v", v.Type())
	}
	if err := e.uint(uint64(v.Len()) + 1); err != nil {
		return err
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		if err := errors.Join(e.value(k), e.value(v.MapIndex(k))); err != nil {
			return err
		}
	}
	return nil
}

// decoder reads what encoder wrote, at most left bytes of it.
type decoder struct {
	r    *bufio.Reader
	left int
}

// ReadByte makes a decoder an io.ByteReader.
func (d *decoder) ReadByte() (byte, error) {
	if d.left == 0 {
		return 0, fmt.Errorf("%w: too short", errFrame)
	}
	d.left--
	b, err := d.r.ReadByte()
	return b, unexpected(err)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *decoder) uint() (uint64, error) { return binary.ReadUvarint(d) }

// count reads a length that at least as many bytes must follow.
func (d *decoder) count(limit int) (int, error) {
	u, err := d.uint()
	if err != nil {
		return 0, err
	}
	if u > uint64(min(limit, d.left)) {
		return 0, fmt.Errorf("%w: length %d", errFrame, u)
	}
	return int(u), nil
}

// list reads the length of a list or map; ok is false for nil.
func (d *decoder) list(limit int) (n int, ok bool, err error) {
	u, err := d.uint()
	if err != nil || u == 0 {
		return 0, false, err
	}
	if u--; u > uint64(min(limit, d.left)) {
		return 0, false, fmt.Errorf("%w: length %d", errFrame, u)
	}
	return int(u), true, nil
}

func (d *decoder) string() (string, error) {
	n, err := d.count(d.left)
	if err != nil || n == 0 {
		return "", err
	}
	d.left -= n
	var b strings.Builder
	b.Grow(n)
	_, err = io.CopyN(&b, d.r, int64(n))
	return b.String(), unexpected(err)
}

func (d *decoder) value(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Bool:
		u, err := d.uint()
		v.SetBool(u != 0)
		return err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := binary.ReadVarint(d)
		v.SetInt(n)
		return err
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		u, err := d.uint()
		v.SetUint(u)
		return err
	case reflect.Float32, reflect.Float64:
		var b [8]byte
		if d.left < len(b) {
			return fmt.Errorf("%w: too short", errFrame)
		}
		d.left -= len(b)
		_, err := io.ReadFull(d.r, b[:])
		v.SetFloat(math.Float64frombits(binary.LittleEndian.Uint64(b[:])))
		return unexpected(err)
	case reflect.String:
		s, err := d.string()
		v.SetString(s)
		return err
	case reflect.Slice:
		return d.slice(v)
	case reflect.Map:
		return d.mapping(v)
	case reflect.Pointer:
		if u, err := d.uint(); err != nil || u == 0 {
			return err
		}
		v.Set(reflect.New(v.Type().Elem()))
		return d.value(v.Elem())
	case reflect.Struct:
		if v.Type() == timeType {
			s, err := d.string()
			if err != nil {
				return err
			}
			var t time.Time
			if err := t.UnmarshalBinary([]byte(s)); err != nil {
				return fmt.Errorf("%w: %w", errFrame, err)
			}
			v.Set(reflect.ValueOf(t))
			return nil
		}
		for i := range v.NumField() {
			if err := d.value(v.Field(i)); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("cannot receive a value of type %v", v.Type())
}

func (d *decoder) slice(v reflect.Value) error {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		n, ok, err := d.list(d.left)
		if err != nil || !ok {
			return err
		}
		b := make([]byte, n)
		d.left -= n
		_, err = io.ReadFull(d.r, b)
		v.SetBytes(b)
		return unexpected(err)
	}
	n, ok, err := d.list(maxElements)
	if err != nil || !ok {
		return err
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, min(n, 1024))) // the length is a claim so far
	for i := range n {
		if i == v.Cap() {
			v.Grow(min(n-i, i))
		}
		v.SetLen(i + 1)
		if err := d.value(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) mapping(v reflect.Value) error {
	n, ok, err := d.list(maxElements)
	if err != nil || !ok {
		return err
	}
	t := v.Type()
	v.Set(reflect.MakeMap(t))
	for range n {
		key, elem := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		if err := d.value(key); err != nil {
			return err
		}
		if err := d.value(elem); err != nil {
			return err
		}
		v.SetMapIndex(key, elem)
	}
	return nil
}
